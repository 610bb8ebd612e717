-- read_delivery
-- A request's delivery, and the time.
return { redis.call('HGET', request_key(P.request), 'delivery'), now }
