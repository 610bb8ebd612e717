-- Let an entry in quarantine count as one that its caller writes now; what it was goes into its history.
local ck = P.customer_key
if is_erasing(ck) then return { 'erasing' } end
local raw = redis.call('HGET', entries_key(ck), P.key)
if not raw then return { 'unknown' } end
local old = cjson.decode(raw)
-- Asked again after a lost answer, or in no quarantine: it stands already.
if not old.quarantined then return { 'approved', raw, redis.call('HGET', customer_key(ck, 'memhistory'), P.key) } end
local entry = cjson.decode(raw)
entry.quarantined, entry.source, entry.op, entry.said = nil, 'api', nil, now
local written, history = write_entry(ck, entry, old, P.keep)
keep_memory(ck)
return { 'approved', written, history }
