-- Read the digests of a customer's sessions, of the one that ended last first; those that follow P.before.
local order, first = customer_key(P.customer_key, 'digorder'), 0
if P.before then
  local rank = redis.call('ZREVRANK', order, P.before)
  -- It is gone meanwhile: go on behind those that ended later.
  first = rank and rank + 1 or redis.call('ZCOUNT', order, P.before_time, '+inf')
end
local ids, found = redis.call('ZREVRANGE', order, first, first + P.limit - 1), {}
if #ids == 0 then return { 'digests', found } end
for index, raw in ipairs(redis.call('HMGET', customer_key(P.customer_key, 'dig'), unpack(ids))) do
  if raw then found[#found + 1] = { ids[index], raw } end
end
return { 'digests', found }
