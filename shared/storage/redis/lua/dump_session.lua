-- Read all of a session but its messages and finished requests, at one moment.
local fields = redis.call('HGETALL', session_key(P.session))
if #fields == 0 then
  local some = redis.call('EXISTS', session_key(P.session, 'msg'), session_key(P.session, 'req'))
  return { some > 0 and 'half' or 'unknown' }
end
local head = read_head(P.session)
local tickets, requests = redis.call('LRANGE', session_key(P.session, 'in'), 0, -1), {}
for _, ticket in ipairs(tickets) do
  if string.sub(ticket, 1, 4) ~= 'msg_' then
    requests[#requests + 1] = { ticket, redis.call('HGETALL', request_key(ticket)) }
  end
end
local bound = head.conversation
  and redis.call('HGET', customer_key(head.customer_key, 'conv'), head.conversation) == P.session
return { 'session', now, fields, tickets, redis.call('HGETALL', session_key(P.session, 'pending')), requests,
  bound and 1 or 0, redis.call('PTTL', session_key(P.session)), earlier_summaries(P.session) }
