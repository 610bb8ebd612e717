-- Replace a tenant's instructions; earlier ones are kept, bounded. KEYS[1] is the tenant's own key.
-- Asked again with the same `op`, it answers as before.
local last = redis.call('HMGET', KEYS[1], 'op', 'version', 'updated')
if last[1] == P.op then return { tonumber(last[2]), tonumber(last[3]) } end
local version = redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('HSET', KEYS[1], 'text', P.text, 'updated', now, 'op', P.op, 'v' .. version, P.text)
redis.call('HDEL', KEYS[1], 'v' .. (version - P.keep), 'extraction', 'handoff')
if P.extraction then redis.call('HSET', KEYS[1], 'extraction', P.extraction) end
if P.handoff then redis.call('HSET', KEYS[1], 'handoff', P.handoff) end
return { version, now }
