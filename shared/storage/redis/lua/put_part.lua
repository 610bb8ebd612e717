-- Keep a part of a batch, unless another was quicker. KEYS[1] is the batch's key, outside all buckets.
local kept = redis.call('HGET', KEYS[1], P.number)
local version = kept and tonumber(string.match(kept, '^(%d+) ')) or 0
if kept == (P.version + 1) .. ' ' .. P.value then return { 1 } end
if version ~= P.version then return { 0 } end
redis.call('HSET', KEYS[1], P.number, (P.version + 1) .. ' ' .. P.value)
redis.call('PEXPIRE', KEYS[1], P.keep)
return { 1 }
