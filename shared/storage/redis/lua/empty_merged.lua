-- Remove what is left of a customer whose sessions and memory are another's now.
local ck = P.customer_key
if merged_into(ck) ~= P.into then return { 'gone' } end
for _, id in ipairs(redis.call('ZRANGE', customer_key(ck, 'ses'), 0, -1)) do
  if redis.call('EXISTS', session_key(id)) == 1 then return { 'more' } end
end
for _, part in ipairs(CUSTOMER_PARTS) do redis.call('UNLINK', customer_key(ck, part)) end
redis.call('UNLINK', customer_key(ck, 'copied'), customer_key(ck, 'mover'))
return { 'empty' }
