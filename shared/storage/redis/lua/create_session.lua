-- Begin a session. A conversation id bound to an older session is bound to this one from now on.
if is_erasing(P.customer_key) then return { 'erasing' } end
if not read_head(P.session) then
  begin_session(P.session, P.customer_key, P.head)
  if P.conversation then redis.call('HSET', customer_key(P.customer_key, 'conv'), P.conversation, P.session) end
  keep(P.session, read_head(P.session))
end
return { 'created', now, redis.call('HGETALL', session_key(P.session)), 0 }
