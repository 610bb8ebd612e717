-- Write a memory entry as its caller; the value it replaces goes into its history, bounded.
local ck = P.customer_key
if is_erasing(ck) then return { 'erasing' } end
local earlier = redis.call('HGET', entries_key(ck), P.key)
local old = earlier and cjson.decode(earlier)
-- Asked again after a lost answer: it stands already.
if old and old.op == P.op then
  return { old.version == 1 and 'created' or 'replaced', earlier, redis.call('HGET', customer_key(ck, 'memhistory'), P.key) }
end
if not old and redis.call('HLEN', entries_key(ck)) >= P.max_entries and not give_way(ck) then return { 'full' } end
local entry = { key = P.key, raw = P.raw, scope = P.scope, source = 'api', op = P.op }
for name, value in pairs(P.facts) do entry[name] = value end
local written, history = write_entry(ck, entry, old, P.keep)
redis.call('ZREM', customer_key(ck, 'memgone'), P.key)
keep_memory(ck)
return { old and 'replaced' or 'created', written, history }
