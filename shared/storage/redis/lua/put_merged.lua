-- Write what two entries of one key became, unless this customer's has changed since it was read; once for each that
-- came. What was extracted from a session that came along, and was deleted or redacted since, does not come.
local ck = P.customer_key
if is_erasing(ck) then return { 'erasing' } end
if not is_moving(ck, P.from) then return { 'late' } end
local coming = customer_key(ck, 'coming')
if redis.call('HEXISTS', coming, P.mark) == 1 then return { 'kept' } end
local stands, gone = redis.call('HGET', entries_key(ck), P.key), redis.call('ZSCORE', customer_key(ck, 'memgone'), P.key)
if (stands or '') ~= P.seen or (gone or '') ~= P.gone then return { 'changed' } end
for _, place in ipairs(P.rests) do
  if not still_rests(place[1], place[2]) then return { 'changed' } end
end
-- It lives as long as what it lies beside, here or there.
local others = { customer_key(ck, 'ses'), entries_key(ck) }
local longest = longest_of(others)
if longest ~= -1 and P.retention > 0 then longest = math.max(longest, P.left >= 0 and P.left or P.retention) end
if P.entry then
  keep_entry(ck, cjson.decode(P.entry), cjson.decode(P.history))
  while redis.call('HLEN', entries_key(ck)) > P.max_entries and give_way(ck) do end
end
redis.call('HSET', coming, P.mark, P.from)
for _, part in ipairs({ 'mem', 'memorder', 'memhistory', 'coming' }) do
  last(customer_key(ck, part), P.retention == 0 and -1 or longest)
end
return { 'kept' }
