-- Read the session that a conversation is bound to, over or not.
local id = redis.call('HGET', customer_key(P.customer_key, 'conv'), P.conversation)
if not id or not read_head(id) then return { 'unknown' } end
return { 'session', now, redis.call('HGETALL', session_key(id)), redis.call('LLEN', session_key(id, 'in')), id }
