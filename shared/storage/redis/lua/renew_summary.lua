-- Extend the lease of a summary job whose fencing token is the current one.
local kept = redis.call('HMGET', session_key(P.session), 'sum_token', 'sum_nonce', 'sum_lease')
if number(kept[1]) ~= P.token or kept[2] ~= P.nonce or number(kept[3]) == 0 then return { 0 } end
redis.call('HSET', session_key(P.session), 'sum_lease', now + P.sum_lease)
schedule(P.session)
return { 1, now + P.sum_lease }
