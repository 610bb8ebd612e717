-- Take over what is remembered of a customer's deleted entries: the later time holds.
local gone = customer_key(P.customer_key, 'memgone')
if is_erasing(P.customer_key) then return { 'erasing' } end
if not is_moving(P.customer_key, P.from) then return { 'late' } end
for _, each in ipairs(P.keys) do redis.call('ZADD', gone, 'GT', each[2], each[1]) end
redis.call('ZREMRANGEBYRANK', gone, 0, -MOST_GONE - 1)
if P.retention == 0 then redis.call('PERSIST', gone) else redis.call('PEXPIRE', gone, P.retention) end
return { 'kept' }
