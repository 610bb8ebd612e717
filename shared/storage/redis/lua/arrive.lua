-- Let a session stand that has left another bucket: all of it was staged here. Whoever follows its id may ask for it.
local id = P.session
local kept = redis.call('GET', session_key(id, 'coming'))
if not kept then return { 'there' } end
local rest = cjson.decode(kept)
local ck = rest.customer_key
if is_erasing(ck) then return { 'erasing' } end
local fresh = {}
for _, part in ipairs(CUSTOMER_PARTS) do fresh[part] = redis.call('EXISTS', customer_key(ck, part)) == 0 end

redis.call('UNLINK', session_key(id, 'coming'))
-- It may have been here before: what is here leads nowhere else.
redis.call('UNLINK', at_key(id))
for index = 1, #rest.requests, 2 do redis.call('UNLINK', at_key(rest.requests[index])) end
for _, ticket in ipairs(rest.tickets) do redis.call('UNLINK', at_key(ticket)) end
redis.call('HSET', session_key(id), unpack(rest.head))
redis.call('HSET', session_key(id), 'customer', rest.customer, 'customer_key', ck)
redis.call('HDEL', session_key(id), 'copied')
for _, ticket in ipairs(rest.tickets) do redis.call('RPUSH', session_key(id, 'in'), ticket) end
if #rest.pending > 0 then redis.call('HSET', session_key(id, 'pending'), unpack(rest.pending)) end
for _, earlier in ipairs(rest.earlier) do redis.call('RPUSH', session_key(id, 'sums'), earlier) end
for index = 1, #rest.requests, 2 do
  redis.call('ZADD', session_key(id, 'req'), rest.requests[index + 1], rest.requests[index])
end
for _, callback in ipairs(rest.callbacks) do
  redis.call('ZADD', callbacks_key, callback[2], P.tenant .. '/' .. callback[1])
end
for _, request in ipairs(rest.listening) do redis.call('SET', request_key(request) .. ':listen', '1', 'PX', 60000) end

local head = read_head(id)
-- Its lease may have been extended since it was read: whoever holds it is given one more.
if number(head.lease) > now - P.lease then
  head.lease = math.max(number(head.lease), now + P.lease)
  redis.call('HSET', session_key(id), 'lease', head.lease)
end
redis.call('ZADD', customer_key(ck, 'ses'), number(head.created), id)
if rest.digest then
  redis.call('HSET', customer_key(ck, 'dig'), id, rest.digest)
  redis.call('ZADD', customer_key(ck, 'digorder'), cjson.decode(rest.digest).ended, id)
end
if #rest.pieces > 0 then
  local pieces, log = customer_key(ck, 'idx'), customer_key(ck, 'idxlog')
  redis.call('HSETNX', pieces, '#epoch', now)
  local version = redis.call('HINCRBY', pieces, '#version', 1)
  for _, piece in ipairs(rest.pieces) do
    redis.call('HSET', pieces, id .. '/' .. piece[1], piece[2])
    redis.call('ZADD', log, version, id .. '/' .. piece[1])
  end
end
if rest.bound then
  -- A conversation that goes on here under the same id stays where it is.
  local conv = customer_key(ck, 'conv')
  local other = redis.call('HGET', conv, head.conversation)
  local standing = other and read_head(other)
  if not standing or over(standing, other, now) then redis.call('HSET', conv, head.conversation, id) end
end
set_wake(id, head)
schedule(id)

local lasts = #rest.tickets > 0 or P.retention == 0
local left = rest.left >= 0 and math.max(rest.left, 1000) or P.retention
for _, part in ipairs(SESSION_PARTS) do
  local name = session_key(id, part or nil)
  if lasts then redis.call('PERSIST', name) else redis.call('PEXPIRE', name, left) end
end
for _, part in ipairs(CUSTOMER_PARTS) do
  local name = customer_key(ck, part)
  local stays = redis.call('PTTL', name)
  if lasts then
    redis.call('PERSIST', name)
  elseif fresh[part] or stays >= 0 and stays < left then
    redis.call('PEXPIRE', name, left)
  end
end
return { 'arrived' }
