-- Read all memory entries of a customer with their histories, and the digests of sessions, at one moment.
local entries, digests = customer_key(P.customer_key, 'mem'), customer_key(P.customer_key, 'dig')
local left = redis.call('PTTL', entries)
return { 'entries', now, redis.call('HGETALL', entries), redis.call('HGETALL', customer_key(P.customer_key, 'memhistory')),
  redis.call('HGETALL', digests), redis.call('GET', customer_key(P.customer_key, 'copied')),
  left == -2 and redis.call('PTTL', digests) or left }
