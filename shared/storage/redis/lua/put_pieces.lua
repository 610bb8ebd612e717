-- Keep pieces of a session in its customer's recall index. Refused unless the job's fencing token is the current one.
local head = read_head(P.session)
if not head then return { 'gone' } end
local kept = redis.call('HMGET', session_key(P.session), 'sum_token', 'sum_nonce')
if number(kept[1]) ~= P.token or kept[2] ~= P.nonce then return { 'stale' } end
local pieces, log = customer_key(head.customer_key, 'idx'), customer_key(head.customer_key, 'idxlog')
redis.call('HSETNX', pieces, '#epoch', now)
local version = redis.call('HINCRBY', pieces, '#version', #P.pieces > 0 and 1 or 0)
local count = number(redis.call('HGET', session_key(P.session), 'idx_count'))
for _, piece in ipairs(P.pieces) do
  local name = P.session .. '/' .. piece[1]
  redis.call('HSET', pieces, name, piece[2])
  redis.call('ZADD', log, version, name)
  count = math.max(count, piece[1] + 1)
end
redis.call('HSET', session_key(P.session), 'idx_through', P.through, 'idx_count', count)

-- Sessions whose retention is over leave their pieces behind; the oldest are looked at in passing.
for _, name in ipairs(redis.call('ZRANGE', log, 0, 2)) do
  local id = string.match(name, '^(.*)/%d+$')
  if redis.call('EXISTS', session_key(id)) == 0 then
    redis.call('HDEL', pieces, name)
    redis.call('ZREM', log, name)
    redis.call('HSET', pieces, '#epoch', math.max(now, number(redis.call('HGET', pieces, '#epoch')) + 1))
  end
end
last_with({ pieces, log }, { customer_key(head.customer_key, 'ses'), customer_key(head.customer_key, 'mem') })
return { 'kept' }
