-- Remove a session that was copied here and is gone where it came from. Nobody is told: that was done there.
-- Its digest goes with its customer's memory, which it belongs to.
local head = read_head(P.session)
for _, request in ipairs(redis.call('ZRANGE', session_key(P.session, 'req'), 0, -1)) do
  redis.call('UNLINK', request_key(request))
end
if head then
  local conv = customer_key(head.customer_key, 'conv')
  if head.conversation and redis.call('HGET', conv, head.conversation) == P.session then
    redis.call('HDEL', conv, head.conversation)
  end
  redis.call('ZREM', customer_key(head.customer_key, 'ses'), P.session)
end
redis.call('ZREM', wake_key, P.tenant .. '/' .. P.session)
redis.call('ZREM', summaries_key, P.tenant .. '/' .. P.session)
redis.call('HDEL', tries_key, P.tenant .. '/' .. P.session)
for _, part in ipairs(SESSION_PARTS) do redis.call('UNLINK', session_key(P.session, part or nil)) end
return { 'removed' }
