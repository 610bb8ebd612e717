-- Read what of a session moves to another bucket, but for its messages and the records of its requests.
local id, head = P.session, read_head(P.session)
if not head then return { redis.call('EXISTS', at_key(id)) == 1 and 'left' or 'gone' } end
local ck = head.customer_key
local rest = { customer = P.into, customer_key = P.into_key, head = redis.call('HGETALL', session_key(id)),
  tickets = redis.call('LRANGE', session_key(id, 'in'), 0, -1), pending = redis.call('HGETALL', session_key(id, 'pending')),
  earlier = redis.call('LRANGE', session_key(id, 'sums'), 0, -1),
  requests = redis.call('ZRANGE', session_key(id, 'req'), 0, -1, 'WITHSCORES'),
  digest = redis.call('HGET', customer_key(ck, 'dig'), id), bound = is_bound(id, head), left = redis.call('PTTL', session_key(id)),
  pieces = {}, callbacks = {}, listening = {} }
for index = 0, number(redis.call('HGET', session_key(id), 'idx_count')) - 1 do
  local piece = redis.call('HGET', customer_key(ck, 'idx'), id .. '/' .. index)
  if piece then rest.pieces[#rest.pieces + 1] = { tostring(index), piece } end
end
local requests = requests_of(id)
for _, request in ipairs(requests) do
  local due = redis.call('ZSCORE', callbacks_key, P.tenant .. '/' .. request)
  if due then rest.callbacks[#rest.callbacks + 1] = { request, due } end
  if redis.call('EXISTS', request_key(request) .. ':listen') == 1 then rest.listening[#rest.listening + 1] = request end
end
return { 'session', state_of(id, head), number(redis.call('HGET', session_key(id), 'messages')),
  redis.call('HGET', session_key(id), 'sum_token') or '', requests, cjson.encode(rest),
  is_bound(id, head) and not over(head, id, now) and head.conversation or '' }
