-- Let a customer lead to whom they were merged into in another store.
redis.call('SET', customer_key(P.customer_key, 'into'), P.into)
lasting(customer_key(P.customer_key, 'into'))
return { 'loaded' }
