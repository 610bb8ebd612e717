-- Read the session that a conversation is bound to, over or not. While its customer is being merged, it may not have left
-- yet; so only where nothing is found here, it is told whom they are merged into.
local id = redis.call('HGET', customer_key(P.customer_key, 'conv'), P.conversation)
if not id or not read_head(id) then
  if id and redis.call('EXISTS', session_key(id, 'coming')) == 1 then return { 'coming', id } end
  local into = merged_into(P.customer_key)
  return into and { 'merged', into } or { 'unknown' }
end
return { 'session', now, redis.call('HGETALL', session_key(id)), redis.call('LLEN', session_key(id, 'in')), id }
