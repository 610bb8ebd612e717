-- Read a session and how many tickets are open.
local fields = redis.call('HGETALL', session_key(P.session))
if #fields == 0 then return { 'unknown' } end
return { 'session', now, fields, redis.call('LLEN', session_key(P.session, 'in')) }
