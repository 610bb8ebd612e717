-- Keep parts of a session that is about to come from another bucket, for whoever holds the merge. Nobody can see them. What
-- lies beside messages and requests comes first: by it an erasure finds the others.
if is_erasing(P.customer_key) then return { 'erasing' } end
if redis.call('HGET', customer_key(P.customer_key, 'coming'), 'mover/' .. P.from) ~= P.token then return { 'late' } end
if redis.call('EXISTS', session_key(P.session)) == 1 then return { 'there' } end
-- What was staged before was dropped since: it begins anew.
if not P.rest and redis.call('EXISTS', session_key(P.session, 'coming')) == 0 then return { 'late' } end
redis.call('HSET', customer_key(P.customer_key, 'coming'), 's/' .. P.session, P.from)
if P.anew then redis.call('UNLINK', session_key(P.session, 'msg'), session_key(P.session, 'coming')) end
for _, message in ipairs(P.messages) do redis.call('HSET', session_key(P.session, 'msg'), message[1], message[2]) end
for _, request in ipairs(P.requests) do
  redis.call('UNLINK', request_key(request.id))
  redis.call('HSET', request_key(request.id), unpack(request.fields))
  if request.left >= 0 then redis.call('PEXPIRE', request_key(request.id), math.max(request.left, 1000)) end
end
if P.rest then
  redis.call('SET', session_key(P.session, 'coming'), P.rest)
  -- Whoever names its conversation from now on is told that it is coming.
  if P.conversation then
    local conv = customer_key(P.customer_key, 'conv')
    local fresh = redis.call('EXISTS', conv) == 0
    redis.call('HSETNX', conv, P.conversation, P.session)
    if fresh then lasting(conv) end
  end
end
return { 'staged' }
