-- Read this customer's entry of a key, for one of another that comes; and which of those places it rests on are gone.
local ck, lost = P.customer_key, {}
for _, place in ipairs(P.rests) do
  if not still_rests(place[1], place[2]) then lost[#lost + 1] = place end
end
return { 'entry', redis.call('HGET', entries_key(ck), P.key) or '', redis.call('HGET', customer_key(ck, 'memhistory'), P.key) or '[]',
  redis.call('ZSCORE', customer_key(ck, 'memgone'), P.key) or '', lost, redis.call('HEXISTS', customer_key(ck, 'coming'), P.mark) }
