-- Before every script that works on a bucket, behind `names`, `moved` and `burst`: what several scripts share.

-- Some operations are not safe to ask twice by themselves. Their answer is kept for ten seconds under the asker's own
-- token, so that asking again after a lost answer finds it and changes nothing.
local function once(act)
  local kept = base .. 'op:' .. P.op
  local known = redis.call('GET', kept)
  if known then return cjson.decode(known) end
  local answer = act()
  -- What is to happen once in a long time may be tried again where it was refused.
  if not P.once_ms then
    redis.call('SET', kept, cjson.encode(answer), 'PX', 10000)
  elseif answer[1] == 'recorded' then
    redis.call('SET', kept, cjson.encode(answer), 'PX', P.once_ms)
  end
  return answer
end

local function number(value) return tonumber(value or '0') or 0 end

-- A session is over when it is closed, or past its time with no open ticket. Judged here, at the door, only.
local function over(head, id, at)
  if head.status == 'closed' then return 'closed' end
  if at > number(head.expires) and redis.call('LLEN', session_key(id, 'in')) == 0 then return 'expired' end
  return false
end

local HEAD = { 'status', 'customer', 'customer_key', 'conversation', 'expires', 'lease', 'token', 'nonce', 'last',
  'created', 'handler' }
-- What belongs to a session besides its head (false), and what belongs to its customer.
local SESSION_PARTS = { false, 'in', 'msg', 'pending', 'req', 'sums' }
local CUSTOMER_PARTS = { 'ses', 'conv', 'mem', 'memorder', 'memhistory', 'dig', 'digorder', 'idx', 'idxlog', 'memgone',
  'from', 'coming' }
-- A customer who is being erased is gone for everybody from the mark on: nothing of theirs is read, or written.
local function is_erasing(customer) return redis.call('ZSCORE', erasing_key, P.tenant .. '/' .. customer) end
local function read_head(id)
  local values = redis.call('HMGET', session_key(id), unpack(HEAD))
  if not values[1] or is_erasing(values[3]) then return nil end
  local head = {}
  for index, name in ipairs(HEAD) do head[name] = values[index] or nil end
  return head
end

-- The wake index holds, per session, the later of its lease's end and its head's due time. What a person has taken
-- over waits for no time: it only has to be told so.
local function set_wake(id, head, earliest)
  local member = P.tenant .. '/' .. id
  local first = redis.call('LINDEX', session_key(id, 'in'), 0)
  redis.call('HDEL', tries_key, member)
  if not first then
    redis.call('ZREM', wake_key, member)
    return
  end
  local due = head.handler == 'human' and 0 or due_of(id, first)
  redis.call('ZADD', wake_key, math.max(due, number(head.lease), earliest or now), member)
end

-- What is a customer's goes with the retention. Who was merged into them is known for as long as their ids lead here.
local function rests(customer, part)
  local name = customer_key(customer, part)
  if P.retention == 0 then
    redis.call('PERSIST', name)
  else
    redis.call('PEXPIRE', name, part == 'from' and longest() or P.retention)
  end
end

-- Keys of a session with open tickets carry no native TTL: an open ticket keeps it alive.
local function keep(id, head)
  local open = redis.call('LLEN', session_key(id, 'in')) > 0
  for _, part in ipairs(SESSION_PARTS) do
    local key = session_key(id, part or nil)
    if open or P.retention == 0 then
      redis.call('PERSIST', key)
    else
      redis.call('PEXPIRE', key, P.retention)
    end
  end
  for _, part in ipairs(CUSTOMER_PARTS) do
    if open then redis.call('PERSIST', customer_key(head.customer_key, part)) else rests(head.customer_key, part) end
  end
end

-- Let keys live as long as the longest of others.
local function longest_of(names)
  local longest = -2
  for _, name in ipairs(names) do
    local left = redis.call('PTTL', name)
    if left == -1 or longest == -1 then longest = -1 else longest = math.max(longest, left) end
  end
  return longest
end
local function last(name, longest)
  if longest == -1 then redis.call('PERSIST', name) else redis.call('PEXPIRE', name, longest) end
end
local function last_with(names, others)
  local longest = longest_of(others)
  for _, name in ipairs(names) do last(name, longest) end
end

local function append(id, raw)
  local seq = redis.call('HINCRBY', session_key(id), 'messages', 1)
  redis.call('HINCRBY', session_key(id), 'tokens', number(string.match(raw, '^(%d+)|')))
  redis.call('HSET', session_key(id, 'msg'), seq, raw)
  return seq
end

-- Recorded messages at the head of the inbox need no model: they are appended as soon as nothing precedes them.
local function drain(id)
  local inbox, pending = session_key(id, 'in'), session_key(id, 'pending')
  while true do
    local first = redis.call('LINDEX', inbox, 0)
    if not first or string.sub(first, 1, 4) ~= 'msg_' then return end
    append(id, redis.call('HGET', pending, first))
    redis.call('HDEL', pending, first)
    redis.call('LPOP', inbox)
  end
end

local function touch(id, head, at)
  local last = math.max(number(head.last), at)
  redis.call('HSET', session_key(id), 'last', last, 'expires', last + P.ttl)
  if at < number(head.created) then
    redis.call('HSET', session_key(id), 'created', at)
    redis.call('ZADD', customer_key(head.customer_key, 'ses'), at, id)
  end
end

local function begin_session(id, customer_key_, fields)
  redis.call('HSET', session_key(id), unpack(fields))
  redis.call('HSET', session_key(id), 'status', 'open', 'customer_key', customer_key_, 'created', now,
    'expires', now + P.ttl, 'messages', 0, 'token', 0, 'lease', 0)
  redis.call('ZADD', customer_key(customer_key_, 'ses'), now, id)
end

-- A row of the outbox names what happened; it lives until it is announced.
-- `follows`: what a hook posts of its request was posted with another. `more`: what else it says.
local function add_row(kind, id, head, event, request, first_try, follows, more)
  local row = { id = event, type = kind, tenant = P.tenant, session = id, customer = head.customer, at = now }
  for name, value in pairs(more or {}) do row[name] = value end
  if request then
    row.request = request
    local kept = redis.call('HMGET', request_key(request), 'metadata', 'callback')
    row.metadata, row.callback = kept[1] or nil, kept[2] or nil
    -- What one hook posts into a conversation leaves in the order of its tickets.
    if row.callback and string.sub(row.callback, 1, 5) == 'hook:' and follows then
      row.callback = nil
    elseif row.callback and string.sub(row.callback, 1, 5) == 'hook:' then
      row.after = redis.call('HGET', session_key(id), 'hooked') or nil
      redis.call('HSET', session_key(id), 'hooked', request)
    end
  end
  local raw = cjson.encode(row)
  redis.call('HSET', outbox_key, event, raw)
  redis.call('ZADD', outbox_due_key, now + first_try, event)
  return raw
end

-- Let another handle a session from now on, and let that be announced; `by`: who said so.
local function assign(id, head, to, by)
  head.handler = to
  redis.call('HSET', session_key(id), 'handler', to)
  local event = 'evt_' .. id .. '_' .. to .. '_' .. now
  add_row('session.assigned', id, head, event, nil, P.announce_grace, false, { handler = to, by = by })
end

-- Why a session's summary or digest is due now, if it is, and else when it is to be looked at again (nil: never).
-- `seen`: how many messages there were when it was last looked at to its end; `done`: when its digest was made.
local SUMMARY = { 'tokens', 'sum_tokens', 'sum_seen', 'sum_done', 'messages', 'status', 'last', 'expires', 'closed',
  'strategy', 'sum_later', 'sum_lease', 'sum_asked', 'idx_through', 'mem_read', 'mem_tokens' }
local function summary_due(id)
  local kept = {}
  for index, value in ipairs(redis.call('HMGET', session_key(id), unpack(SUMMARY))) do kept[SUMMARY[index]] = value end
  local messages, last = number(kept.messages), number(kept.last)
  local behind, fresh = number(kept.tokens) - number(kept.sum_tokens), messages > number(kept.sum_seen)
  local moments, first = {}, nil
  -- In the order in which they are told, where several hold.
  local function at(reason, when)
    moments[#moments + 1] = { reason, when }
    first = math.min(first or when, when)
  end
  if number(kept.sum_asked) > 0 then at('asked', number(kept.sum_asked)) end
  if messages > 0 and P.digests and number(kept.sum_done) < messages then
    local ends = kept.status == 'closed' and number(kept.closed) or number(kept.expires) + 1
    -- A session with open tickets still drains.
    local drained = redis.call('LLEN', session_key(id, 'in')) == 0
    at('ended', drained and ends or math.max(ends, now + P.sum_lease))
  end
  local summarises = kept.strategy and kept.strategy ~= 'sliding_window' or not kept.strategy and P.sum_default
  if summarises and fresh and P.sum_threshold > 0 and behind > P.sum_threshold then at('threshold', last) end
  if P.sum_idle > 0 and fresh then at('idle', last + P.sum_idle) end
  if P.mem_delay > 0 and messages > math.min(number(kept.idx_through), number(kept.mem_read)) then
    local much = P.mem_threshold > 0 and number(kept.tokens) - number(kept.mem_tokens) > P.mem_threshold
    at('memory', much and last or last + P.mem_delay)
  end
  if not first then return nil, nil, behind end
  local when = math.max(first, number(kept.sum_later), number(kept.sum_lease))
  if when > now then return nil, when, behind end
  for _, moment in ipairs(moments) do
    if moment[2] <= now then return moment[1], when, behind end
  end
end

-- Take a session's pieces out of its customer's recall index. Who has read them before must read all anew.
local function unindex(id, head)
  local count = number(redis.call('HGET', session_key(id), 'idx_count'))
  if count == 0 then return end
  local pieces, log = customer_key(head.customer_key, 'idx'), customer_key(head.customer_key, 'idxlog')
  for index = 0, count - 1 do
    redis.call('HDEL', pieces, id .. '/' .. index)
    redis.call('ZREM', log, id .. '/' .. index)
  end
  redis.call('HSET', pieces, '#epoch', math.max(now, number(redis.call('HGET', pieces, '#epoch')) + 1))
  redis.call('HDEL', session_key(id), 'idx_count', 'idx_through')
end

-- Versions of a session's summary before the one in its head, newest first: text, through, version.
local function earlier_summaries(id)
  local found = {}
  for index, raw in ipairs(redis.call('LRANGE', session_key(id, 'sums'), 0, -1)) do found[index] = cjson.decode(raw) end
  return found
end

local function schedule(id)
  local member = P.tenant .. '/' .. id
  local _, when = summary_due(id)
  if when then
    redis.call('ZADD', summaries_key, when, member)
  else
    redis.call('ZREM', summaries_key, member)
  end
end
