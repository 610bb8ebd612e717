-- due_deliveries
-- Deliveries of a bucket whose due time has passed. What takes one changes it; until then it is found again later.
local found = {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', callbacks_key, '-inf', now, 'LIMIT', 0, P.limit)) do
  local tenant, request = string.match(member, '^([^/]+)/(.+)$')
  if redis.call('HEXISTS', base .. 't:' .. tenant .. ':req:' .. request, 'delivery') == 1 then
    redis.call('ZADD', callbacks_key, now + P.again, member)
    found[#found + 1] = member
  else
    redis.call('ZREM', callbacks_key, member)
  end
end
return { 'due', found }
