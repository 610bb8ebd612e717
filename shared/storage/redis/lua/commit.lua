-- End a turn. Refused unless the claim's fencing token is the current one and its request is still open.
-- A lapsed lease whose token is still current commits. Idempotent by (request, token).
local head = read_head(P.session)
if not head then return { 'gone' } end
local record = request_key(P.request)
local state = redis.call('HMGET', record, 'status', 'committed', 'row')
if state[2] == P.token .. '.' .. P.nonce then
  return { 'committed', state[3], redis.call('LLEN', session_key(P.session, 'in')) }
end
if number(head.token) ~= P.token or head.nonce ~= P.nonce then return { 'stale' } end
if redis.call('LINDEX', session_key(P.session, 'in'), 0) ~= P.request then return { 'stale' } end
-- A person took over while the reply was being written: it must not be given any more.
if P.answered and head.handler == 'human' then return { 'taken' } end

for _, raw in ipairs(P.messages) do append(P.session, raw) end
if P.handed_off then
  head.handler = 'human'
  redis.call('HSET', session_key(P.session), 'handler', 'human')
end
if P.pin then redis.call('HSET', session_key(P.session), 'pin', P.pin, 'pin_summary', P.pinned_summary) end
redis.call('LPOP', session_key(P.session, 'in'))
drain(P.session)
if P.asked then redis.call('HINCRBY', record, 'attempts', 1) end
head.lease = 0
redis.call('HSET', session_key(P.session), 'lease', 0)
touch(P.session, head, now)
local row = add_row(P.event, P.session, head, 'evt_' .. P.request, P.request, P.announce_grace)
redis.call('HSET', record, unpack(P.fields))
redis.call('HSET', record, 'finished', now, 'claimed', '', 'cause', '', 'row', row,
  'committed', P.token .. '.' .. P.nonce)
redis.call('PEXPIRE', record, P.request_retention)
schedule(P.session)
keep(P.session, head)
set_wake(P.session, head)
redis.call('PUBLISH', 'cm:finished', P.request)
return { 'committed', row, redis.call('LLEN', session_key(P.session, 'in')) }
