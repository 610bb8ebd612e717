-- One page of memory entries with their histories, in the order of their rank. A page looks at P.limit entries at least.
local order = customer_key(P.customer_key, 'memorder')
local entries, history = customer_key(P.customer_key, 'mem'), customer_key(P.customer_key, 'memhistory')
local found, offset = {}, P.offset
if P.key then
  local entry = redis.call('HGET', entries, P.key)
  if entry and (not P.scope or cjson.decode(entry).scope == P.scope) then found[1] = { entry, redis.call('HGET', history, P.key) } end
  return { 'entries', found, -1 }
end
while #found < P.limit do
  local keys = redis.call('ZREVRANGE', order, offset, offset + P.limit - 1)
  if #keys == 0 then return { 'entries', found, -1 } end
  local values = redis.call('HMGET', entries, unpack(keys))
  for index, entry in ipairs(values) do
    offset = offset + 1
    if entry and (not P.scope or cjson.decode(entry).scope == P.scope) then
      found[#found + 1] = { entry, redis.call('HGET', history, keys[index]) }
      if #found == P.limit then break end
    end
  end
end
return { 'entries', found, redis.call('ZCARD', order) > offset and offset or -1 }
