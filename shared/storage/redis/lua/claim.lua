-- Take the lease and the lowest open ticket together, and read what the turn needs in the same moment.
-- A claim whose answer was lost asks again with its nonce and is given the same claim.
local head = read_head(P.session)
local member = P.tenant .. '/' .. P.session
if not head then
  redis.call('ZREM', wake_key, member)
  redis.call('HDEL', tries_key, member)
  return { 'gone' }
end
local request = redis.call('LINDEX', session_key(P.session, 'in'), 0)
if not request then
  set_wake(P.session, head)
  return { 'idle' }
end
local record = request_key(request)
local state = redis.call('HMGET', record, 'coalesce', 'claimed', 'quarantined', 'alone', 'deaths', 'deadline')
local again = head.nonce == P.nonce and state[2] == head.token
if number(head.lease) > now and not again then return { 'busy' } end
local human = head.handler == 'human'
local due = due_of(P.session, request)
if due > now and not human then
  set_wake(P.session, head)
  return { 'parked', due - now }
end

-- An earlier claim that neither parked nor committed is unexplained: it may have killed its process, or only been
-- near one that did. It runs next in quarantine, and only deaths there condemn it.
local token = number(head.token)
local deaths = number(state[5])
if not again then
  local unexplained = state[2] and state[2] ~= ''
  local suspect = unexplained or state[3] == '1'
  -- Past its deadline, or in a person's hands, it will only be told so, which harms nobody.
  if suspect and not P.quarantine and now < number(state[6]) and not human then
    redis.call('HSET', record, 'quarantined', 1)
    set_wake(P.session, head, now + P.grace)
    return { 'quarantine' }
  end
  if P.quarantine and not suspect then return { 'ordinary' } end
  if unexplained and state[4] == '1' then deaths = redis.call('HINCRBY', record, 'deaths', 1) end
  token = token + 1
  redis.call('HSET', session_key(P.session), 'token', token, 'nonce', P.nonce)
  redis.call('HSET', record, 'status', 'running', 'claimed', token, 'alone', P.quarantine and 1 or 0)
end
local members, fixed = burst_of(P.session, request)
if not fixed then
  redis.call('HSET', record, 'members', table.concat(members, ' '))
  -- Whoever listens to one of them is told where its reply is written.
  for _, member in ipairs(members) do
    redis.call('HSET', request_key(member), 'with', request)
    redis.call('PUBLISH', 'cm:finished', member)
  end
end
head.lease = now + P.lease
redis.call('HSET', session_key(P.session), 'lease', head.lease)
set_wake(P.session, head)

-- Newest messages first, in steps, until the session's budget is full or the count is reached. A message fills a
-- quarter of it at most (`weight_of`).
local messages, tokens = {}, 0
local budget = redis.call('HGET', session_key(P.session), 'budget')
if budget then
  budget = cjson.decode(budget)
  P.read_tokens = budget.max - budget.reserve
end
local most = math.ceil(P.read_tokens / 4)
local seq = number(redis.call('HGET', session_key(P.session), 'messages'))
while seq > 0 and #messages < P.read_messages and tokens < P.read_tokens do
  local fields = {}
  for step = seq, math.max(1, seq - 7), -1 do fields[#fields + 1] = step end
  for index, raw in ipairs(redis.call('HMGET', session_key(P.session, 'msg'), unpack(fields))) do
    if raw and #messages < P.read_messages and tokens < P.read_tokens then
      messages[#messages + 1] = fields[index] .. '|' .. raw
      tokens = tokens + math.min(most, number(string.match(raw, '^(%d+)|')))
    end
    seq = fields[index] - 1
    if #messages >= P.read_messages or tokens >= P.read_tokens then break end
  end
end

local memory = {}
if P.read_memory > 0 then
  local keys = redis.call('ZREVRANGE', customer_key(head.customer_key, 'memorder'), 0, P.read_memory - 1)
  if #keys > 0 then memory = redis.call('HMGET', customer_key(head.customer_key, 'mem'), unpack(keys)) end
end

local digests = {}
if P.read_digests > 0 then
  -- One more is read: this session's own, of before it was reopened, is passed over.
  local ids = redis.call('ZREVRANGE', customer_key(head.customer_key, 'digorder'), 0, P.read_digests)
  if #ids > 0 then
    for index, raw in ipairs(redis.call('HMGET', customer_key(head.customer_key, 'dig'), unpack(ids))) do
      if raw and ids[index] ~= P.session and #digests < P.read_digests then digests[#digests + 1] = { ids[index], raw } end
    end
  end
end

-- The summary that the pin builds on, where it was rewritten since: versions follow each other without a gap.
local pinned = false
local versions = redis.call('HMGET', session_key(P.session), 'pin_summary', 'sum_version')
local since = number(versions[2]) - number(versions[1])
if number(versions[1]) > 0 and since > 0 then
  pinned = redis.call('LINDEX', session_key(P.session, 'sums'), since - 1)
end

local burst = {}
for index, member in ipairs(members) do burst[index] = { member, redis.call('HGETALL', request_key(member)) } end

local mark = redis.call('HMGET', customer_key(head.customer_key, 'idx'), '#epoch', '#version')
return { 'claimed', now, token, redis.call('HGETALL', session_key(P.session)), request,
  redis.call('HGETALL', record), messages, seq, memory,
  redis.call('EXISTS', request_key(request) .. ':listen'), deaths,
  redis.call('LLEN', session_key(P.session, 'in')), digests, pinned, mark[2] and mark or {}, burst }
