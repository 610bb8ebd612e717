-- Note that a customer is about to be merged into this one: from then on a sweep goes on with it, once it has begun.
local ck = P.customer_key
if is_erasing(ck) then return { 'erasing' } end
local into = merged_into(ck)
if into then return { 'merged', into } end
local from, fresh = customer_key(ck, 'from'), redis.call('EXISTS', customer_key(ck, 'from')) == 0
-- With P.anew the id leads here no more, since it was not named for long: it may be somebody else's.
if not P.anew and redis.call('HGET', from, P.from) == 'done' then return { 'done' } end
redis.call('HSET', from, P.from, 'moving')
if fresh then lasting(from) end
redis.call('ZADD', merging_key, now, P.tenant .. '/' .. P.from_key .. '/' .. ck)
return { 'expected' }
