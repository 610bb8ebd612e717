-- Write a memory entry that was extracted from a session. Refused unless its job's fencing token is the current one.
-- What is newer at its source wins: what was written, or deleted, after this was said, stays as it is.
local head = read_head(P.session)
if not head then return { 'stale' } end
local kept = redis.call('HMGET', session_key(P.session), 'sum_token', 'sum_nonce')
if number(kept[1]) ~= P.token or kept[2] ~= P.nonce then return { 'stale' } end
local ck = head.customer_key
local earlier = redis.call('HGET', entries_key(ck), P.key)
local old = earlier and cjson.decode(earlier)
local gone = redis.call('ZSCORE', customer_key(ck, 'memgone'), P.key)
if gone and number(gone) >= P.facts.said then return { 'older' } end
if old then
  if (old.said or old.updated) > P.facts.said then return { 'older' } end
  if old.raw == P.raw and old.scope == P.scope and old.status == P.facts.status then return { 'same' } end
elseif redis.call('HLEN', entries_key(ck)) >= P.max_entries and not give_way(ck) then
  return { 'full' }
end
-- This is no activity of the customer's: what is new lives as long as what it lies beside.
local others = { customer_key(ck, 'ses') }
if redis.call('EXISTS', entries_key(ck)) == 1 then others[2] = entries_key(ck) end
local longest = longest_of(others)
local entry = { key = P.key, raw = P.raw, scope = P.scope, source = 'extraction', op = '' }
for name, value in pairs(P.facts) do entry[name] = value end
write_entry(ck, entry, old, P.keep)
for _, part in ipairs({ 'mem', 'memorder', 'memhistory' }) do last(customer_key(ck, part), longest) end
return { old and 'replaced' or 'created' }
