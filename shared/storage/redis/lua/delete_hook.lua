-- Remove a hook, if it is the tenant's. KEYS[1] holds all of them by id.
local kept = redis.call('HGET', KEYS[1], P.hook)
if not kept or string.match(kept, '^%d+ (%S*)') ~= P.tenant then return { 0 } end
redis.call('HDEL', KEYS[1], P.hook)
redis.call('SREM', KEYS[1] .. ':t:' .. P.tenant, P.hook)
return { 1 }
