-- Before scripts that remove sessions: what they share.

-- Fail an open request as deleted; of what was asked, and by whom, nothing is left. Its row
-- says whose it was, unless nobody may know any more.
local function fail_deleted(request, id, head)
  local record = request_key(request)
  if head.customer == '' then redis.call('HDEL', record, 'metadata') end
  add_row('chat.reply.failed', id, head, 'evt_' .. request, request, P.announce_grace)
  redis.call('HDEL', record, 'receipt', 'attachments', 'cause')
  redis.call('HSET', record, 'status', 'failed', 'message', '', 'customer', '', 'metadata', '{}', 'failure', P.failure,
    'finished', now, 'claimed', '')
  redis.call('PEXPIRE', record, P.request_retention)
  redis.call('PUBLISH', 'cm:finished', request)
end

-- Remove a session and its requests. Open ones fail as deleted; finished ones go with it.
local function remove_session(id, head)
  local open = {}
  for _, ticket in ipairs(redis.call('LRANGE', session_key(id, 'in'), 0, -1)) do
    if string.sub(ticket, 1, 4) ~= 'msg_' then
      open[ticket] = true
      fail_deleted(ticket, id, head)
    end
  end
  for _, request in ipairs(redis.call('ZRANGE', session_key(id, 'req'), 0, -1)) do
    local reply = request_key(request) .. ':reply'
    for _, name in ipairs({ reply, reply .. ':' .. (redis.call('GET', reply) or '0') }) do redis.call('UNLINK', name) end
    if not open[request] then
      -- An idempotency key may still lead here: a retry must find that it was accepted, and nothing else.
      local keyed = redis.call('HGET', request_key(request), 'keyed')
      redis.call('UNLINK', request_key(request))
      if keyed then
        redis.call('HSET', request_key(request), 'session', id, 'deleted', 1)
        redis.call('PEXPIRE', request_key(request), P.request_retention)
      end
    end
  end
  local conv = customer_key(head.customer_key, 'conv')
  if head.conversation and redis.call('HGET', conv, head.conversation) == id then
    redis.call('HDEL', conv, head.conversation)
  end
  redis.call('ZREM', customer_key(head.customer_key, 'ses'), id)
  redis.call('ZREM', wake_key, P.tenant .. '/' .. id)
  redis.call('ZREM', summaries_key, P.tenant .. '/' .. id)
  redis.call('HDEL', tries_key, P.tenant .. '/' .. id)
  for _, part in ipairs(SESSION_PARTS) do redis.call('UNLINK', session_key(id, part or nil)) end
end
