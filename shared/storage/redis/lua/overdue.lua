-- Sessions of a bucket whose wake time has passed. Each is backed off: the next look at it comes later and later.
local found = {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', wake_key, '-inf', now, 'LIMIT', 0, P.limit)) do
  local tries = redis.call('HINCRBY', tries_key, member, 1)
  redis.call('ZADD', wake_key, now + math.min(P.backoff * 2 ^ (tries - 1), P.longest), member)
  local tenant, id = string.match(member, '^([^/]+)/(.+)$')
  local scope = base .. 't:' .. tenant .. ':'
  local first = redis.call('LINDEX', scope .. 'ses:' .. id .. ':in', 0)
  local quarantined = first and redis.call('HGET', scope .. 'req:' .. first, 'quarantined')
  found[#found + 1] = { member, quarantined == '1' and 1 or 0 }
end
return { 'overdue', found, redis.call('ZCARD', wake_key) + redis.call('ZCARD', outbox_due_key) }
