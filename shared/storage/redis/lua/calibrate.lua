-- Keep what was learned of a model, unless another was quicker. KEYS[1] is the deployment's own key.
local kept = redis.call('HGET', KEYS[1], P.model)
local version = kept and tonumber(string.match(kept, '^(%d+) ')) or 0
if kept == (P.version + 1) .. ' ' .. P.value then return { 1 } end
if version ~= P.version then return { 0 } end
redis.call('HSET', KEYS[1], P.model, (P.version + 1) .. ' ' .. P.value)
return { 1 }
