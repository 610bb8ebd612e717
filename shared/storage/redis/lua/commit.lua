-- End a turn. Refused unless the claim's fencing token is the current one and its request is still open.
-- A lapsed lease whose token is still current commits. Idempotent by (request, token).
local head = read_head(P.session)
if not head then return { 'gone' } end
local record = request_key(P.request)
local requests = burst_of(P.session, P.request)
table.insert(requests, 1, P.request)
local name = P.token .. '.' .. P.nonce
local function told()
  local rows = {}
  for index, request in ipairs(requests) do rows[index] = redis.call('HGET', request_key(request), 'row') end
  return { 'committed', rows, redis.call('LLEN', session_key(P.session, 'in')) }
end
if redis.call('HGET', record, 'committed') == name then return told() end
if number(head.token) ~= P.token or head.nonce ~= P.nonce then return { 'stale' } end
if redis.call('LINDEX', session_key(P.session, 'in'), 0) ~= P.request then return { 'stale' } end
-- A person took over while the reply was being written: it must not be given any more.
if P.answered and head.handler == 'human' then return { 'taken' } end

for _, raw in ipairs(P.messages) do append(P.session, raw) end
if P.handed_off then assign(P.session, head, 'human', 'agent') end
if P.pin then redis.call('HSET', session_key(P.session), 'pin', P.pin, 'pin_summary', P.pinned_summary) end
for _ = 1, #requests do redis.call('LPOP', session_key(P.session, 'in')) end
drain(P.session)
if P.asked then redis.call('HINCRBY', record, 'attempts', 1) end
head.lease = 0
redis.call('HSET', session_key(P.session), 'lease', 0)
touch(P.session, head, now)
local attempts, posted = redis.call('HGET', record, 'attempts'), {}
for index, request in ipairs(requests) do
  local each, follows = request_key(request), index > 1
  local callback = redis.call('HGET', each, 'callback') or ''
  local row = add_row(P.event, P.session, head, 'evt_' .. request, request, P.announce_grace, posted[callback])
  posted[callback] = true
  redis.call('HSET', each, unpack(P.fields))
  redis.call('HSET', each, 'finished', now, 'claimed', '', 'cause', '', 'row', row, 'committed', name)
  if follows then redis.call('HSET', each, 'with', P.request) end
  if follows and attempts then redis.call('HSET', each, 'attempts', attempts) end
  redis.call('PEXPIRE', each, P.request_retention)
end
if #P.of_first > 0 then redis.call('HSET', record, unpack(P.of_first)) end
schedule(P.session)
keep(P.session, head)
set_wake(P.session, head)
for _, request in ipairs(requests) do redis.call('PUBLISH', 'cm:finished', request) end
return told()
