-- Let a customer who was merged into one lead to another, whom that one was merged into.
if merged_into(P.customer_key) == P.seen then redis.call('SET', customer_key(P.customer_key, 'into'), P.into, 'KEEPTTL') end
return { 'repointed' }
