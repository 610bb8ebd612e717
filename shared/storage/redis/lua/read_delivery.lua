-- read_delivery
-- A request's delivery, and the time.
if redis.call('EXISTS', request_key(P.request)) == 0 then return { 'unknown', now } end
return { redis.call('HGET', request_key(P.request), 'delivery'), now }
