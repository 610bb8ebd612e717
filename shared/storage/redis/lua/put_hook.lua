-- Keep a hook, unless another write was quicker, or it is another tenant's. KEYS[1] holds all of them by id.
local kept = redis.call('HGET', KEYS[1], P.hook)
local version, tenant = string.match(kept or '0 ', '^(%d+) (%S*)')
if kept == (P.version + 1) .. ' ' .. P.tenant .. ' ' .. P.value then return { 1 } end
if tonumber(version) ~= P.version or (kept and tenant ~= P.tenant) then return { 0 } end
redis.call('HSET', KEYS[1], P.hook, (P.version + 1) .. ' ' .. P.tenant .. ' ' .. P.value)
redis.call('SADD', KEYS[1] .. ':t:' .. P.tenant, P.hook)
return { 1 }
