-- What is known of a customer: whether anything is, how many sessions, how many entries, when the newest session was
-- last heard of; and where P.whole says so, how many entries are in quarantine.
local ck = P.customer_key
if is_erasing(ck) then return { 0 } end
local sessions, entries = redis.call('ZCARD', customer_key(ck, 'ses')), redis.call('HLEN', customer_key(ck, 'mem'))
if sessions + entries == 0 then return { 0 } end
local last, quarantined = 0, 0
local newest = redis.call('ZREVRANGE', customer_key(ck, 'ses'), 0, 0)[1]
if newest then
  local times = redis.call('HMGET', session_key(newest), 'last', 'created')
  last = math.max(number(times[1]), number(times[2]))
end
if P.whole then
  for _, raw in ipairs(redis.call('HVALS', customer_key(ck, 'mem'))) do
    if cjson.decode(raw).quarantined then quarantined = quarantined + 1 end
  end
end
return { 1, sessions, entries, last, quarantined }
