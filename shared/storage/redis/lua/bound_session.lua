-- Read the session that a conversation is bound to, over or not. While its customer is merged into another, it is here
-- until it leaves, and there on its way.
local id = redis.call('HGET', customer_key(P.customer_key, 'conv'), P.conversation)
if id and read_head(id) then
  return { 'session', now, redis.call('HGETALL', session_key(id)), redis.call('LLEN', session_key(id, 'in')), id }
end
if id and redis.call('EXISTS', session_key(id, 'coming')) == 1 then return { 'coming', id } end
local into = merged_into(P.customer_key)
if into then return { 'merged', into } end
return { 'unknown' }
