-- Sessions of a bucket whose wake time has passed. Each is backed off: the next look at it comes later and later.
local found = {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', wake_key, '-inf', now, 'LIMIT', 0, P.limit)) do
  local tries = redis.call('HINCRBY', tries_key, member, 1)
  redis.call('ZADD', wake_key, now + math.min(P.backoff * 2 ^ (tries - 1), P.longest), member)
  local tenant, id = string.match(member, '^([^/]+)/(.+)$')
  local scope = base .. 't:' .. tenant .. ':'
  local first = redis.call('LINDEX', scope .. 'ses:' .. id .. ':in', 0)
  -- A claim whose lease ran out is unexplained: the next one belongs into quarantine.
  local state = first and redis.call('HMGET', scope .. 'req:' .. first, 'quarantined', 'claimed') or {}
  local suspect = state[1] == '1' or (state[2] and state[2] ~= '')
  found[#found + 1] = { member, suspect and 1 or 0 }
end
return { 'overdue', found, redis.call('ZCARD', wake_key) + redis.call('ZCARD', outbox_due_key)
  + redis.call('ZCARD', callbacks_key) + redis.call('ZCARD', erasing_key) + redis.call('ZCARD', merging_key) }
