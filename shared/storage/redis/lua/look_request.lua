-- Read of a request's record what a list tells.
return { 'request', redis.call('HMGET', request_key(P.request), unpack(P.fields)) }
