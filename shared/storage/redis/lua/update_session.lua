-- Change a session: close (no new tickets; open ones drain), reopen, title, tags, who handles it.
local head = read_head(P.session)
if not head then return { 'unknown' } end
if P.status == 'open' and over(head, P.session, now) then
  if head.conversation and redis.call('HGET', customer_key(head.customer_key, 'conv'), head.conversation) ~= P.session then
    return { 'moved' }
  end
  redis.call('HSET', session_key(P.session), 'status', 'open', 'expires', now + P.ttl)
  redis.call('HDEL', session_key(P.session), 'closed')
  keep(P.session, head)
elseif P.status == 'closed' and head.status ~= 'closed' then
  redis.call('HSET', session_key(P.session), 'status', 'closed', 'closed', now)
  add_row('session.closed', P.session, head, 'evt_' .. P.session .. '_closed_' .. now, nil, P.announce_grace)
end
if P.status then schedule(P.session) end
if P.handler then
  if P.handler ~= (head.handler or 'agent') then assign(P.session, head, P.handler, P.by) end
  set_wake(P.session, head)
end
if #P.fields > 0 then redis.call('HSET', session_key(P.session), unpack(P.fields)) end
return { 'updated', now, redis.call('HGETALL', session_key(P.session)),
  redis.call('LLEN', session_key(P.session, 'in')) }
