-- Read what is buffered of a reply beyond (token, offset).
local current = number(redis.call('GET', request_key(P.request) .. ':reply'))
if redis.call('EXISTS', request_key(P.request)) == 0 then return { 'unknown' } end
local offset = current == P.token and P.offset or 0
local text = redis.call('GETRANGE', request_key(P.request) .. ':reply:' .. current, offset, -1)
return { 'deltas', current, offset, text }
