-- Forget one who was merged into this customer, and is erased.
redis.call('HDEL', customer_key(P.customer_key, 'from'), P.from)
redis.call('ZREM', merging_key, P.tenant .. '/' .. P.from_key .. '/' .. P.customer_key)
return { 'forgotten' }
