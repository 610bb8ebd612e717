-- put_delivery
-- Keep a request's delivery in its record, unless another was quicker. Asked again, it answers as before.
local record = request_key(P.request)
local kept = redis.call('HMGET', record, 'delivery', 'finished')
if not kept[2] then return { 'gone' } end
local version = kept[1] and tonumber(string.match(kept[1], '^(%d+) ')) or 0
local mine = (P.version + 1) .. ' ' .. P.status .. ' ' .. P.value
if kept[1] == mine then return { 'kept' } end
if version ~= P.version then return { 'late' } end
redis.call('HSET', record, 'delivery', mine)
local left = redis.call('PTTL', record)
if left >= 0 and left < P.delivery_retention then redis.call('PEXPIRE', record, P.delivery_retention) end
local member = P.tenant .. '/' .. P.request
if P.due then
  redis.call('ZADD', callbacks_key, P.due, member)
else
  redis.call('ZREM', callbacks_key, member)
end
return { 'kept' }
