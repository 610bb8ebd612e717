-- Remove a session and all it holds. Open requests fail as deleted, without their text; finished ones go with it.
return once(function()
  local head = read_head(P.session)
  if not head then return { 'unknown' } end
  local open = {}
  for _, ticket in ipairs(redis.call('LRANGE', session_key(P.session, 'in'), 0, -1)) do
    if string.sub(ticket, 1, 4) ~= 'msg_' then
      open[ticket] = true
      add_row('chat.reply.failed', P.session, head, 'evt_' .. ticket, ticket, P.announce_grace)
      redis.call('HDEL', request_key(ticket), 'receipt')
      redis.call('HSET', request_key(ticket), 'status', 'failed', 'message', '', 'failure', P.failure, 'finished', now,
        'claimed', '')
      redis.call('PEXPIRE', request_key(ticket), P.request_retention)
      redis.call('PUBLISH', 'cm:finished', ticket)
    end
  end
  for _, request in ipairs(redis.call('ZRANGE', session_key(P.session, 'req'), 0, -1)) do
    local reply = request_key(request) .. ':reply'
    for _, name in ipairs({ reply, reply .. ':' .. (redis.call('GET', reply) or '0') }) do redis.call('UNLINK', name) end
    if not open[request] then
      -- An idempotency key may still lead here: a retry must find that it was accepted, and nothing else.
      local keyed = redis.call('HGET', request_key(request), 'keyed')
      redis.call('UNLINK', request_key(request))
      if keyed then
        redis.call('HSET', request_key(request), 'session', P.session, 'deleted', 1)
        redis.call('PEXPIRE', request_key(request), P.request_retention)
      end
    end
  end
  local conv = customer_key(head.customer_key, 'conv')
  if head.conversation and redis.call('HGET', conv, head.conversation) == P.session then
    redis.call('HDEL', conv, head.conversation)
  end
  redis.call('ZREM', customer_key(head.customer_key, 'ses'), P.session)
  redis.call('ZREM', wake_key, P.tenant .. '/' .. P.session)
  redis.call('ZREM', summaries_key, P.tenant .. '/' .. P.session)
  unindex(P.session, head)
  take_back(head.customer_key, P.session)
  redis.call('HDEL', customer_key(head.customer_key, 'dig'), P.session)
  redis.call('ZREM', customer_key(head.customer_key, 'digorder'), P.session)
  redis.call('HDEL', tries_key, P.tenant .. '/' .. P.session)
  for _, part in ipairs(SESSION_PARTS) do
    redis.call('UNLINK', session_key(P.session, part or nil))
  end
  for _, part in ipairs(CUSTOMER_PARTS) do
    if P.retention > 0 then redis.call('PEXPIRE', customer_key(head.customer_key, part), P.retention) end
  end
  return { 'deleted' }
end)
