-- Say, for a minute, that someone listens to this request's reply.
if redis.call('EXISTS', request_key(P.request)) == 0 then return { 'unknown' } end
redis.call('SET', request_key(P.request) .. ':listen', '1', 'PX', P.keep)
redis.call('PUBLISH', 'cm:listen', P.request)
return { 'listening' }
