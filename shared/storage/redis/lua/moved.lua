-- Behind the names of keys, before every script that works on a bucket: what moved with its customer.

local merging_key = base .. 'merging'
-- What moved to another bucket with its customer keeps its id. Where the id says it is, lies the bucket where it is now;
-- and beside a customer that was merged into another, who that is. Both last a day longer than what they lead to: it is
-- kept for a while after it was last asked for by its id. What leads to a request ends as it does, where sessions never do.
local DAY = 86400000
local function longest() return math.max(P.retention, P.request_retention + P.deadline) + DAY end
local function at_key(id) return root .. 'at:' .. id end
local function lasting(name)
  if P.retention == 0 then redis.call('PERSIST', name) else redis.call('PEXPIRE', name, longest()) end
end
local function point_lasts(id)
  if string.sub(id, 1, 4) == 'req_' then redis.call('PEXPIRE', at_key(id), longest()) else lasting(at_key(id)) end
end
local function point(id, bucket)
  redis.call('SET', at_key(id), bucket)
  point_lasts(id)
end
local function merged_into(customer) return redis.call('GET', customer_key(customer, 'into')) end
-- Whether one is being merged into a customer. Whoever stood still while they were erased writes nothing of it any more.
local function is_moving(customer, from) return redis.call('HGET', customer_key(customer, 'from'), from) == 'moving' end
if P.follow then
  local into = merged_into(P.customer_key)
  if into then return { 'merged', into } end
end
