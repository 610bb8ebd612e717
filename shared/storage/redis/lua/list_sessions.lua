-- One page of a customer's sessions, newest first. The cursor is the last one's (time, id).
local index = customer_key(P.customer_key, 'ses')
local found, gone, offset = {}, {}, 0
if is_erasing(P.customer_key) then return { 'sessions', now, found } end
local from = P.before_time and tostring(P.before_time) or '+inf'
while #found <= P.limit do
  local page = redis.call('ZREVRANGEBYSCORE', index, from, '-inf', 'WITHSCORES', 'LIMIT', offset, P.limit + 1)
  if #page == 0 then break end
  for position = 1, #page, 2 do
    local id, time = page[position], number(page[position + 1])
    local passed = P.before_time and time == P.before_time and id >= P.before_id
    if not passed and #found <= P.limit then
      local fields = redis.call('HGETALL', session_key(id))
      if #fields > 0 then
        found[#found + 1] = { id, fields, redis.call('LLEN', session_key(id, 'in')) }
      else
        gone[#gone + 1] = id
      end
    end
  end
  offset = offset + P.limit + 1
end
-- Sessions past their retention are gone; their places in the index go when they are met.
for _, id in ipairs(gone) do redis.call('ZREM', index, id) end
return { 'sessions', now, found }
