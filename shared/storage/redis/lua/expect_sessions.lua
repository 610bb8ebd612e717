-- Let sessions of a customer who is being merged into this one be staged under a token, and under no other.
if is_erasing(P.customer_key) then return { 'erasing' } end
if not is_moving(P.customer_key, P.from) then return { 'late' } end
local coming, fresh = customer_key(P.customer_key, 'coming'), redis.call('EXISTS', customer_key(P.customer_key, 'coming')) == 0
redis.call('HSET', coming, 'mover/' .. P.from, P.token)
if fresh then lasting(coming) end
return { 'expected' }
