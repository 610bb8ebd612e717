-- Read the digests of a customer's sessions, of the one that ended last first.
local ids, found = redis.call('ZREVRANGE', customer_key(P.customer_key, 'digorder'), 0, P.limit - 1), {}
if #ids == 0 then return { 'digests', found } end
for index, raw in ipairs(redis.call('HMGET', customer_key(P.customer_key, 'dig'), unpack(ids))) do
  if raw then found[#found + 1] = { ids[index], raw } end
end
return { 'digests', found }
