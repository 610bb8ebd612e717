-- Read a request's record.
local fields = redis.call('HGETALL', request_key(P.request))
if #fields == 0 or redis.call('HEXISTS', request_key(P.request), 'deleted') == 1 then return { 'unknown' } end
return { 'request', fields }
