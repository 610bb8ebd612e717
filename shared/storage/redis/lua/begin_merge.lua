-- Say that a customer is merged into another: what asks for them is led there from now on. Refused while one is being
-- merged into them, or they are being erased.
local ck = P.customer_key
local into = merged_into(ck)
if into then return { into == P.into and 'begun' or 'merged', into } end
if is_erasing(ck) then return { 'erasing' } end
local known = 0
for _, part in ipairs({ 'ses', 'mem', 'dig', 'from' }) do known = known + redis.call('EXISTS', customer_key(ck, part)) end
if known == 0 then return { 'unknown' } end
local from = redis.call('HGETALL', customer_key(ck, 'from'))
for index = 1, #from, 2 do
  if from[index + 1] == 'moving' then return { 'busy', from[index] } end
end
redis.call('SET', customer_key(ck, 'into'), P.into)
lasting(customer_key(ck, 'into'))
return { 'begun', P.into }
