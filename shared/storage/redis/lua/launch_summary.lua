-- Put a session that is due to the end of a job's lease: a job that never begins comes back then.
local member = P.tenant .. '/' .. P.session
local due = redis.call('ZSCORE', summaries_key, member)
if not due or number(due) > now then return { 0 } end
redis.call('ZADD', summaries_key, 'XX', now + P.sum_lease, member)
return { 1 }
