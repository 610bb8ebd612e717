-- Let a session stand that was copied from another store: its messages are there already. What stood here is replaced,
-- unless it is no longer what was seen of it.
local id = P.session
local seen = redis.call('HMGET', session_key(id), 'messages', 'token', 'expires', 'status', 'sum_token')
seen[6] = seen[1] and tostring(redis.call('LLEN', session_key(id, 'in')))
for index = 1, 6 do
  if (seen[index] or '') ~= (P.seen and P.seen[index] or '') then return { 'moved' } end
end

-- The customer's keys live as long as the longest of what they hold.
local fresh = {}
local shared = { 'ses', 'conv', 'mem', 'memorder', 'memhistory', 'dig', 'digorder', 'copied' }
for _, part in ipairs(shared) do
  fresh[part] = redis.call('EXISTS', customer_key(P.customer_key, part)) == 0
end

redis.call('UNLINK', session_key(id), session_key(id, 'in'), session_key(id, 'pending'), session_key(id, 'sums'))
redis.call('HSET', session_key(id), unpack(P.head))
redis.call('ZADD', customer_key(P.customer_key, 'ses'), P.created, id)
for _, ticket in ipairs(P.tickets) do redis.call('RPUSH', session_key(id, 'in'), ticket) end
for _, message in ipairs(P.pending) do redis.call('HSET', session_key(id, 'pending'), message[1], message[2]) end
for _, request in ipairs(P.requests) do
  redis.call('UNLINK', request_key(request.id))
  redis.call('HSET', request_key(request.id), unpack(request.fields))
  redis.call('ZADD', session_key(id, 'req'), request.accepted, request.id)
end
for _, earlier in ipairs(P.earlier) do redis.call('RPUSH', session_key(id, 'sums'), earlier) end
local conv = customer_key(P.customer_key, 'conv')
if P.bound then
  redis.call('HSET', conv, P.conversation, id)
elseif P.conversation and redis.call('HGET', conv, P.conversation) == id then
  redis.call('HDEL', conv, P.conversation)
end
set_wake(id, read_head(id))
schedule(id)

local lasts = #P.tickets > 0 or P.retention == 0
local left = P.ends and math.max(P.ends - now, 1000) or P.retention
for _, part in ipairs(SESSION_PARTS) do
  local key = session_key(id, part or nil)
  if lasts then redis.call('PERSIST', key) else redis.call('PEXPIRE', key, left) end
end
for _, part in ipairs(shared) do
  local key = customer_key(P.customer_key, part)
  local stays = redis.call('PTTL', key)
  if lasts then
    redis.call('PERSIST', key)
  elseif fresh[part] then
    redis.call('PEXPIRE', key, left)
  elseif stays == -1 then
    redis.call('PEXPIRE', key, P.retention)
  elseif stays < left then
    redis.call('PEXPIRE', key, left)
  end
end
return { 'loaded' }
