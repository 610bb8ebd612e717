-- Pieces of a customer's recall index that came after a mark, newest first, until there are P.most bytes of them.
local pieces, log = customer_key(P.customer_key, 'idx'), customer_key(P.customer_key, 'idxlog')
local mark = redis.call('HMGET', pieces, '#epoch', '#version')
if not mark[2] then return { 'changes', 0, 0, 1, {} } end
local epoch, version = number(mark[1]), number(mark[2])
local anew = P.epoch ~= epoch or P.version > version
local least = anew and '-inf' or '(' .. P.version
local found, bytes, offset = {}, 0, 0
while bytes < P.most do
  local names = redis.call('ZREVRANGEBYSCORE', log, '+inf', least, 'LIMIT', offset, 64)
  if #names == 0 then break end
  for index, value in ipairs(redis.call('HMGET', pieces, unpack(names))) do
    if value and bytes < P.most then
      found[#found + 1] = names[index]
      found[#found + 1] = value
      bytes = bytes + #value
    end
  end
  offset = offset + #names
end
return { 'changes', epoch, version, anew and 1 or 0, found }
