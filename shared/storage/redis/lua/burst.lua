-- Behind the names of keys, before every script that works on a bucket: bursts.

-- The ids of the requests that are answered with `first`, the head of a session's inbox; and whether a claim has fixed
-- them. Until then they are those behind it that wait for the next message too, with nothing between.
local function burst_of(id, first)
  local state = redis.call('HMGET', request_key(first), 'members', 'coalesce')
  local members = {}
  if state[1] then
    for member in string.gmatch(state[1], '%S+') do members[#members + 1] = member end
  end
  if state[1] or not state[2] then return members, true end
  local bytes = redis.call('HSTRLEN', request_key(first), 'message')
  for _, ticket in ipairs(redis.call('LRANGE', session_key(id, 'in'), 1, P.burst_most - 1)) do
    bytes = bytes + redis.call('HSTRLEN', request_key(ticket), 'message')
    if redis.call('HEXISTS', request_key(ticket), 'coalesce') == 0 or bytes > P.burst_bytes then break end
    members[#members + 1] = ticket
  end
  return members, false
end

-- When the head of an inbox is due: it waits for its burst to be over, but not for ever.
local function due_of(id, first)
  local state = redis.call('HMGET', request_key(first), 'due', 'coalesce', 'accepted', 'deadline', 'members')
  if state[5] or not state[2] then return tonumber(state[1] or '0') or 0 end
  local members = burst_of(id, first)
  local last = redis.call('HMGET', request_key(members[#members] or first), 'accepted', 'coalesce')
  local longest = math.min(P.burst_windows * state[2], math.floor((state[4] - state[3]) / 2))
  return math.min(last[1] + last[2], state[3] + longest)
end
