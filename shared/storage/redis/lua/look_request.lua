-- Read of a request's record what a list tells.
if redis.call('EXISTS', request_key(P.request)) == 0 then return { 'unknown' } end
return { 'request', redis.call('HMGET', request_key(P.request), unpack(P.fields)) }
