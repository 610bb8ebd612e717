-- Claude said "later": the head gets a due time and a cause, the lease is let go, the session sleeps until then.
local head = read_head(P.session)
if not head or number(head.token) ~= P.token or head.nonce ~= P.nonce then return { 'stale' } end
local record = request_key(P.request)
local claimed = redis.call('HGET', record, 'claimed')
if claimed == '' then return { redis.call('HGET', record, 'committed') and 'stale' or 'parked' } end
if claimed ~= tostring(P.token) then return { 'stale' } end
redis.call('HSET', record, 'status', 'queued', 'claimed', '', 'due', now + P.due_in, 'cause', P.cause)
if P.asked then redis.call('HINCRBY', record, 'attempts', 1) end
head.lease = 0
redis.call('HSET', session_key(P.session), 'lease', 0)
set_wake(P.session, head)
return { 'parked' }
