-- Note that a customer is merged into this one, and announce it; or, with P.undone, that it never began. With P.through, only while that
-- one is being merged into them.
local ck = P.customer_key
local from, coming = customer_key(ck, 'from'), customer_key(ck, 'coming')
local was = redis.call('HGET', from, P.from)
redis.call('ZREM', merging_key, P.tenant .. '/' .. P.from_key .. '/' .. ck)
if P.undone then
  if was == 'moving' then redis.call('HDEL', from, P.from) end
  return { 'undone' }
end
if P.through and not is_moving(ck, P.through) then return { 'late' } end
redis.call('HDEL', coming, 'mover/' .. P.from)
local fields = redis.call('HGETALL', coming)
for index = 1, #fields, 2 do
  if fields[index + 1] == P.from then redis.call('HDEL', coming, fields[index]) end
end
local fresh = redis.call('EXISTS', from) == 0
redis.call('HSET', from, P.from, 'done')
if fresh or redis.call('PTTL', from) >= 0 then lasting(from) end
if was == 'moving' and not is_erasing(ck) and P.event then
  local row = cjson.encode({ id = P.event, type = 'customer.merged', tenant = P.tenant, session = '', customer = P.customer,
    merged = P.from, at = now })
  redis.call('HSET', outbox_key, P.event, row)
  redis.call('ZADD', outbox_due_key, now + P.announce_grace, P.event)
end
return { 'done' }
