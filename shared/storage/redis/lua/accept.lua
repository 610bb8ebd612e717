-- Accept a chat request: resolve its session, refuse if that is over, take the next ticket, write the record.
-- Idempotent by request id: an accept whose answer was lost finds its own record.
local record = request_key(P.request)
local known = redis.call('HGET', record, 'session')
if known then return { 'accepted', known } end

local conv = customer_key(P.customer_key, 'conv')
local id, head = P.session, nil
if id then
  head = read_head(id)
  if not head or head.customer ~= P.customer then return { 'unknown', merged_into(P.customer_key) } end
  if P.conversation and head.conversation and head.conversation ~= P.conversation then return { 'mismatch' } end
elseif P.conversation then
  local bound = redis.call('HGET', conv, P.conversation)
  head = bound and read_head(bound)
  if bound and not head and redis.call('EXISTS', session_key(bound, 'coming')) == 1 then return { 'coming', bound } end
  if head and not over(head, bound, now) then id = bound else head = nil end
end

if head then
  local reason = over(head, id, now)
  if reason then return { reason } end
  if redis.call('LLEN', session_key(id, 'in')) >= P.max_open then return { 'busy' } end
  if P.conversation and not head.conversation then
    redis.call('HSET', session_key(id), 'conversation', P.conversation)
    redis.call('HSET', conv, P.conversation, id)
  end
else
  if is_erasing(P.customer_key) then return { 'erasing' } end
  local into = merged_into(P.customer_key)
  if into then return { 'merged', into } end
  id = P.new_session
  begin_session(id, P.customer_key, P.head)
  if P.conversation then redis.call('HSET', conv, P.conversation, id) end
  head = read_head(id)
end

redis.call('HSET', record, unpack(P.fields))
redis.call('HSET', record, 'session', id, 'status', 'queued', 'accepted', now, 'due', now,
  'deadline', now + P.deadline)
redis.call('RPUSH', session_key(id, 'in'), P.request)
redis.call('ZADD', session_key(id, 'req'), now, P.request)
redis.call('ZREMRANGEBYSCORE', session_key(id, 'req'), '-inf', '(' .. (now - P.request_retention - P.deadline))
keep(id, head)
-- Alone in its inbox, or the newest of the burst at its head, it says when the session is looked at.
local first = redis.call('LINDEX', session_key(id, 'in'), 0)
local joins = first == P.request
if P.coalesces and not joins then
  local members, fixed = burst_of(id, first)
  joins = not fixed and members[#members] == P.request
end
if joins then set_wake(id, head, now + P.grace) end
return { 'accepted', id }
