-- Read a session and how many tickets are open.
local fields = redis.call('HGETALL', session_key(P.session))
if not read_head(P.session) then return { 'unknown' } end
return { 'session', now, fields, redis.call('LLEN', session_key(P.session, 'in')) }
