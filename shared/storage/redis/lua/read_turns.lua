-- Messages by session and seq, in the order asked for, until they have P.most tokens; those that are gone are left out.
local found, tokens, theirs = {}, 0, {}
if is_erasing(P.customer_key) then return { 'turns', found } end
for _, place in ipairs(P.places) do
  local id = place[1]
  if theirs[id] == nil then theirs[id] = redis.call('HGET', session_key(id), 'customer_key') == P.customer_key end
  local raw = theirs[id] and redis.call('HGET', session_key(id, 'msg'), place[2])
  local cost = raw and number(string.match(raw, '^(%d+)|')) or 0
  if raw and cost <= P.most then
    tokens = tokens + cost
    if tokens > P.most then break end
    found[#found + 1] = { id, place[2] .. '|' .. raw }
  end
end
return { 'turns', found }
