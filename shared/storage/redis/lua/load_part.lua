-- Write messages and finished requests that are copied from another store. Their session, where there is one, is not
-- whole meanwhile; what stands without a session ends by itself when nobody goes on with it.
for _, message in ipairs(P.messages) do redis.call('HSET', session_key(P.session, 'msg'), message[1], message[2]) end
for _, request in ipairs(P.requests) do
  local record, left = request_key(request.id), request.ends - now
  redis.call('UNLINK', record)
  if left > 0 then
    redis.call('HSET', record, unpack(request.fields))
    redis.call('PEXPIRE', record, left)
    if P.session then redis.call('ZADD', session_key(P.session, 'req'), request.accepted, request.id) end
  end
end
if P.session and redis.call('EXISTS', session_key(P.session)) == 1 then
  redis.call('HSET', session_key(P.session), 'copied', '*')
elseif P.session then
  for _, part in ipairs({ 'msg', 'req' }) do redis.call('PEXPIRE', session_key(P.session, part), P.request_retention) end
end
return { 'loaded' }
