-- Take notes of what happened in a tenant. KEYS[1] is its index's `versions`; all of the index shares a slot.
-- What was counted is marked, and the mark lasts as long as it is told again and two days longer.
local root = string.sub(KEYS[1], 1, -9)
local counted, open = root .. 'counted', root .. 'requests:open'

local function newly_counted(id) return redis.call('ZADD', counted, now, id) == 1 end

local days = {}
for _, spent in ipairs(P.spent) do
  if newly_counted(spent.id) then
    local sums = days[spent.day] or {}
    days[spent.day] = sums
    for index, name in ipairs(P.numbers) do
      local field = spent.kind .. ' ' .. name
      sums[field] = (sums[field] or 0) + spent.numbers[index]
    end
  end
end
for day, sums in pairs(days) do
  for field, sum in pairs(sums) do
    if sum > 0 then redis.call('HINCRBY', root .. 'usage:' .. day, field, string.format('%.0f', sum)) end
  end
  redis.call('PEXPIRE', root .. 'usage:' .. day, P.usage_kept)
end

-- A request's end may be noted before its beginning: then it is open no more.
for _, ended in ipairs(P.ended) do
  redis.call('ZADD', counted, now, ended[1])
  redis.call('ZREM', open, ended[1])
  redis.call('ZADD', root .. 'requests:' .. ended[3], ended[2], ended[1])
end
for _, opened in ipairs(P.opened) do
  if not redis.call('ZSCORE', counted, opened[1]) then redis.call('ZADD', open, opened[2], opened[1]) end
end
for _, shelf in ipairs(P.shelves) do
  local list = root .. 'requests:' .. shelf
  redis.call('ZREMRANGEBYSCORE', list, '-inf', now - P.listed)
  redis.call('ZREMRANGEBYRANK', list, 0, -P.most - 1)
  redis.call('PEXPIRE', list, P.listed)
end
redis.call('ZREMRANGEBYSCORE', counted, '-inf', now - P.counted_kept)
redis.call('PEXPIRE', counted, P.counted_kept)

local fresh, customers = {}, root .. 'customers'
for _, active in ipairs(P.active) do
  local known = redis.call('ZSCORE', customers, active[1])
  if not known then fresh[#fresh + 1] = active[1] end
  if not known or tonumber(known) < active[2] then redis.call('ZADD', customers, active[2], active[1]) end
end
if P.retention > 0 then
  redis.call('ZREMRANGEBYSCORE', customers, '-inf', now - P.retention)
  redis.call('PEXPIRE', customers, P.retention)
elseif #P.active > 0 then
  redis.call('PERSIST', customers)
end

for cause, times in pairs(P.faults) do
  local hour = root .. 'faults:' .. P.hour
  redis.call('HINCRBY', hour, cause, times)
  redis.call('PEXPIRE', hour, P.faults_kept)
end
for _, topic in ipairs(P.topics) do redis.call('HINCRBY', KEYS[1], topic, 1) end
if #P.topics > 0 then redis.call('PEXPIRE', KEYS[1], P.versions_kept) end
return fresh
