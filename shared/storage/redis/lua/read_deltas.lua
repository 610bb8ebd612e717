-- Read what is buffered of a reply beyond (token, offset).
local current = number(redis.call('GET', request_key(P.request) .. ':reply'))
local offset = current == P.token and P.offset or 0
local text = redis.call('GETRANGE', request_key(P.request) .. ':reply:' .. current, offset, -1)
return { current, offset, text }
