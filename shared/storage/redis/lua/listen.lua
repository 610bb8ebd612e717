-- Say, for a minute, that someone listens to this request's reply.
redis.call('SET', request_key(P.request) .. ':listen', '1', 'PX', P.keep)
redis.call('PUBLISH', 'cm:listen', P.request)
return { 'listening' }
