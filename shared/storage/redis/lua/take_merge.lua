-- Take the moving of a merged customer's sessions under a token, for the time of a lease; or let it go (P.release).
local name = customer_key(P.customer_key, 'mover')
local kept = redis.call('HMGET', name, 'token', 'until')
if P.release then
  if kept[1] == P.token then redis.call('UNLINK', name) end
  return { 'free' }
end
if not merged_into(P.customer_key) then return { 'busy' } end
if kept[1] and kept[1] ~= P.token and number(kept[2]) > now then return { 'busy' } end
redis.call('HSET', name, 'token', P.token, 'until', now + P.lease)
redis.call('PEXPIRE', name, P.lease + DAY)
return { 'taken' }
