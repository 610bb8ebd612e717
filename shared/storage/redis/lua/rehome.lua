-- Let a session belong to another customer of the same bucket. Asked again, it does.
local id, ck, head = P.session, P.into_key, read_head(P.session)
if not head then return { 'gone' } end
if is_erasing(ck) then return { 'erasing' } end
if head.customer_key == ck then return { 'left' } end
local old = head.customer_key
local bound = head.conversation and redis.call('HGET', customer_key(old, 'conv'), head.conversation) == id
local left, fresh = redis.call('PTTL', session_key(id)), {}
for _, part in ipairs(CUSTOMER_PARTS) do fresh[part] = redis.call('EXISTS', customer_key(ck, part)) == 0 end
local count, pieces = number(redis.call('HGET', session_key(id), 'idx_count')), {}
for index = 0, count - 1 do
  local name = id .. '/' .. index
  pieces[#pieces + 1] = { name, redis.call('HGET', customer_key(old, 'idx'), name) or nil }
end
local through = redis.call('HGET', session_key(id), 'idx_through')
unindex(id, head)
if #pieces > 0 then
  redis.call('HSETNX', customer_key(ck, 'idx'), '#epoch', now)
  local version = redis.call('HINCRBY', customer_key(ck, 'idx'), '#version', 1)
  for _, piece in ipairs(pieces) do
    if piece[2] then
      redis.call('HSET', customer_key(ck, 'idx'), piece[1], piece[2])
      redis.call('ZADD', customer_key(ck, 'idxlog'), version, piece[1])
    end
  end
  redis.call('HSET', session_key(id), 'idx_count', count, 'idx_through', through or 0)
end
local digest = redis.call('HGET', customer_key(old, 'dig'), id)
if digest then
  redis.call('HDEL', customer_key(old, 'dig'), id)
  redis.call('ZREM', customer_key(old, 'digorder'), id)
  redis.call('HSET', customer_key(ck, 'dig'), id, digest)
  redis.call('ZADD', customer_key(ck, 'digorder'), cjson.decode(digest).ended, id)
end
if bound then
  redis.call('HDEL', customer_key(old, 'conv'), head.conversation)
  -- A conversation that goes on under the same id stays where it is.
  local other = redis.call('HGET', customer_key(ck, 'conv'), head.conversation)
  local standing = other and read_head(other)
  if not standing or over(standing, other, now) then
    redis.call('HSET', customer_key(ck, 'conv'), head.conversation, id)
  end
end
redis.call('ZREM', customer_key(old, 'ses'), id)
redis.call('ZADD', customer_key(ck, 'ses'), number(head.created), id)
redis.call('HSET', customer_key(ck, 'coming'), 's/' .. id, P.from)
redis.call('HSET', session_key(id), 'customer', P.into, 'customer_key', ck)
redis.call('HDEL', session_key(id), 'copied')
for _, part in ipairs(CUSTOMER_PARTS) do
  local name = customer_key(ck, part)
  local stays = redis.call('PTTL', name)
  if left == -1 then
    redis.call('PERSIST', name)
  elseif fresh[part] or stays >= 0 and stays < left then
    redis.call('PEXPIRE', name, math.max(left, 1000))
  end
end
return { 'left' }
