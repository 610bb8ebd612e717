-- Buffer a piece of a reply that is being written. A higher token starts again; a claim that is not current is refused.
local head = read_head(P.session)
if not head or number(head.token) ~= P.token or head.nonce ~= P.nonce then return { 'stale', 0 } end
local current_key = request_key(P.request) .. ':reply'
local current = number(redis.call('GET', current_key))
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
