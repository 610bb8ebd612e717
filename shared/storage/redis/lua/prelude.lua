-- Before every script that works on a bucket: names of keys, and what several scripts share.
-- KEYS[1] is the bucket's wake index, "cm:{7k}:wake"; all other keys live under the same hash tag.
local wake_key = KEYS[1]
local base = string.sub(wake_key, 1, -5)
local root = base .. 't:' .. P.tenant .. ':'
local tries_key = base .. 'tries'
local outbox_key = base .. 'outbox'
local outbox_due_key = base .. 'outbox:due'

local function session_key(id, part)
  return root .. 'ses:' .. id .. (part and ':' .. part or '')
end
local function request_key(id) return root .. 'req:' .. id end
local function customer_key(customer, part) return root .. 'cus:' .. customer .. ':' .. part end

-- Some operations are not safe to ask twice by themselves. Their answer is kept for ten seconds under the asker's own
-- token, so that asking again after a lost answer finds it and changes nothing.
local function once(act)
  local kept = base .. 'op:' .. P.op
  local known = redis.call('GET', kept)
  if known then return cjson.decode(known) end
  local answer = act()
  redis.call('SET', kept, cjson.encode(answer), 'PX', 10000)
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
  'created' }
-- What belongs to a session besides its head (false), and what belongs to its customer.
local SESSION_PARTS = { false, 'in', 'msg', 'pending', 'req' }
local CUSTOMER_PARTS = { 'ses', 'conv', 'mem', 'memorder', 'memhistory' }
local function read_head(id)
  local values = redis.call('HMGET', session_key(id), unpack(HEAD))
  if not values[1] then return nil end
  local head = {}
  for index, name in ipairs(HEAD) do head[name] = values[index] or nil end
  return head
end

-- The wake index holds, per session, the later of its lease's end and its head's due time.
local function set_wake(id, head, earliest)
  local member = P.tenant .. '/' .. id
  local first = redis.call('LINDEX', session_key(id, 'in'), 0)
  redis.call('HDEL', tries_key, member)
  if not first then
    redis.call('ZREM', wake_key, member)
    return
  end
  local due = number(redis.call('HGET', request_key(first), 'due'))
  redis.call('ZADD', wake_key, math.max(due, number(head.lease), earliest or now), member)
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
    local key = customer_key(head.customer_key, part)
    if open or P.retention == 0 then
      redis.call('PERSIST', key)
    else
      redis.call('PEXPIRE', key, P.retention)
    end
  end
end

local function append(id, raw)
  local seq = redis.call('HINCRBY', session_key(id), 'messages', 1)
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
local function add_row(kind, id, head, event, request, first_try)
  local row = { id = event, type = kind, tenant = P.tenant, session = id, customer = head.customer, at = now }
  if request then
    row.request = request
    row.metadata = redis.call('HGET', request_key(request), 'metadata') or nil
  end
  local raw = cjson.encode(row)
  redis.call('HSET', outbox_key, event, raw)
  redis.call('ZADD', outbox_due_key, now + first_try, event)
  return raw
end
