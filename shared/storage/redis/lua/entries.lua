-- Before scripts that work on a customer's memory entries: what they share.
local MOST_GONE = 200
local entries_key = function(ck) return customer_key(ck, 'mem') end

-- Open tickets first, then preferences, then notes, then what holds no more; of each, last written first.
local function entry_rank(entry)
  local tier = 1
  if entry.quarantined or entry.status == 'resolved' then
    tier = 0
  elseif entry.scope == 'ticket' then
    tier = 3
  elseif entry.scope == 'preference' then
    tier = 2
  end
  return tier * 1e13 + entry.updated
end

local function versions_of(ck, key)
  local kept = redis.call('HGET', customer_key(ck, 'memhistory'), key)
  return kept and cjson.decode(kept) or {}
end

local function keep_entry(ck, entry, versions)
  redis.call('HSET', entries_key(ck), entry.key, cjson.encode(entry))
  redis.call('ZADD', customer_key(ck, 'memorder'), string.format('%.0f', entry_rank(entry)), entry.key)
  if #versions > 0 then
    redis.call('HSET', customer_key(ck, 'memhistory'), entry.key, cjson.encode(versions))
  else
    redis.call('HDEL', customer_key(ck, 'memhistory'), entry.key)
  end
end

local function drop_entry(ck, key)
  redis.call('HDEL', entries_key(ck), key)
  redis.call('HDEL', customer_key(ck, 'memhistory'), key)
  redis.call('ZREM', customer_key(ck, 'memorder'), key)
end

-- Write an entry in place of `old`, which goes into its history, bounded.
local function write_entry(ck, entry, old, keep)
  local versions = {}
  entry.version, entry.created, entry.updated = 1, now, now
  entry.said = entry.said or now
  if old then
    entry.version, entry.created = old.version + 1, old.created
    versions = versions_of(ck, entry.key)
    local past = { version = old.version, from = old.said or old.updated, to = math.max(entry.said, old.said or 0) }
    for _, name in ipairs({ 'raw', 'scope', 'source', 'prov', 'confidence', 'status', 'expires', 'quarantined' }) do
      past[name] = old[name]
    end
    table.insert(versions, 1, past)
    while #versions > keep do table.remove(versions) end
  end
  keep_entry(ck, entry, versions)
  return cjson.encode(entry), redis.call('HGET', customer_key(ck, 'memhistory'), entry.key)
end

-- Let one entry give way to another; say whether one did.
local CLASSES = { note = 3, preference = 4, ticket = 5 }
local function give_way(ck)
  local chosen, lowest
  local kept = redis.call('HGETALL', entries_key(ck))
  for index = 1, #kept, 2 do
    local entry = cjson.decode(kept[index + 1])
    local class
    if entry.status == 'resolved' or entry.expires and entry.expires <= now then
      class = 1
    elseif entry.source == 'extraction' then
      class = entry.quarantined and 2 or CLASSES[entry.scope]
    end
    local worth = class and class * 1e13 + (entry.said or entry.updated)
    if worth and (not lowest or worth < lowest) then chosen, lowest = entry.key, worth end
  end
  if chosen then drop_entry(ck, chosen) end
  return chosen ~= nil
end

-- Take back what was extracted from a session, or from one message of it.
local function take_back(ck, id, seq)
  local function from_there(prov) return prov and prov.sessionId == id and (not seq or prov.seq == seq) end
  local kept = redis.call('HGETALL', entries_key(ck))
  for index = 1, #kept, 2 do
    local entry, versions = cjson.decode(kept[index + 1]), {}
    local earlier = versions_of(ck, entry.key)
    for _, past in ipairs(earlier) do
      if not from_there(past.prov) then versions[#versions + 1] = past end
    end
    if from_there(entry.prov) and #versions == 0 then
      drop_entry(ck, entry.key)
    elseif from_there(entry.prov) then
      local before = table.remove(versions, 1)
      before.key, before.said, before.created, before.updated = entry.key, before.from, entry.created, now
      before.version, before.from, before.to = entry.version + 1, nil, nil
      keep_entry(ck, before, versions)
    elseif #versions < #earlier then
      keep_entry(ck, entry, versions)
    end
  end
end

-- The digests of the customer's sessions are remembered as long as the entries, and who was merged into them too.
local function keep_memory(ck)
  for _, part in ipairs({ 'mem', 'memorder', 'memhistory', 'memgone', 'dig', 'digorder', 'idx', 'idxlog', 'from' }) do
    rests(ck, part)
  end
end

-- Whether a message that an entry rests on is still there, where its session came along with a merged customer.
local function still_rests(id, seq)
  if redis.call('HEXISTS', customer_key(P.customer_key, 'coming'), 's/' .. id) == 0 then return true end
  if redis.call('EXISTS', session_key(id)) == 0 then return false end
  local raw = redis.call('HGET', session_key(id, 'msg'), seq)
  return not (raw and string.sub(raw, 1, 2) == '0|' and cjson.decode(string.sub(raw, 3)).redacted)
end
