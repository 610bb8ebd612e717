-- What is known of a customer's merges: into whom, who was merged into them, and some of their sessions.
local ck = P.customer_key
return { 'merges', merged_into(ck) or '', redis.call('HGETALL', customer_key(ck, 'from')),
  P.limit > 0 and redis.call('ZRANGE', customer_key(ck, 'ses'), 0, P.limit - 1) or {}, redis.call('HGETALL', customer_key(ck, 'coming')),
  redis.call('ZCARD', customer_key(ck, 'ses')) }
