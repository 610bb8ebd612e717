-- Buffer a piece of a reply that is being written. A higher token starts again; a lower one is refused.
local current_key = request_key(P.request) .. ':reply'
local current = number(redis.call('GET', current_key))
if P.token < current then return { 'stale', 0 } end
local text_key = current_key .. ':' .. P.token
if P.token > current then
  redis.call('UNLINK', current_key .. ':' .. current)
  redis.call('SET', current_key, P.token, 'PX', P.keep)
end
local length = redis.call('STRLEN', text_key)
if length == P.offset then
  length = redis.call('APPEND', text_key, P.text)
  redis.call('PEXPIRE', text_key, P.keep)
  redis.call('PEXPIRE', current_key, P.keep)
  redis.call('PUBLISH', 'cm:finished', P.request)
end
return { 'buffered', length }
