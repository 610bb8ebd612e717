-- Outbox rows that are due, under a lease: a row lives until it is struck.
local found = {}
for _, event in ipairs(redis.call('ZRANGEBYSCORE', outbox_due_key, '-inf', now, 'LIMIT', 0, P.limit)) do
  local raw = redis.call('HGET', outbox_key, event)
  if raw then
    found[#found + 1] = raw
    redis.call('ZADD', outbox_due_key, now + P.lease, event)
  else
    redis.call('ZREM', outbox_due_key, event)
  end
end
return { 'rows', found }
