-- Put memory entries and digests that were copied from another store in place of those that are here; without any,
-- remove them.
local names = {}
for _, part in ipairs({ 'mem', 'memorder', 'memhistory', 'memgone', 'dig', 'digorder', 'copied' }) do
  names[part] = customer_key(P.customer_key, part)
end
local stays = redis.call('PTTL', names.mem)
if stays == -2 then stays = redis.call('PTTL', names.dig) end
for _, name in pairs(names) do redis.call('UNLINK', name) end
for _, entry in ipairs(P.entries) do
  redis.call('HSET', names.mem, entry.key, entry.text)
  redis.call('ZADD', names.memorder, string.format('%.0f', entry_rank(cjson.decode(entry.text))), entry.key)
  if entry.history then redis.call('HSET', names.memhistory, entry.key, entry.history) end
end
for _, digest in ipairs(P.kept_digests) do
  redis.call('HSET', names.dig, digest.session, digest.text)
  redis.call('ZADD', names.digorder, digest.ended, digest.session)
end
if #P.entries + #P.kept_digests == 0 then return { 'removed' } end
redis.call('SET', names.copied, P.stamp)
local left = P.ends and math.max(P.ends - now, 1000) or P.retention
if stays ~= -1 and P.retention > 0 then
  for _, name in pairs(names) do redis.call('PEXPIRE', name, math.max(left, stays)) end
end
return { 'loaded' }
