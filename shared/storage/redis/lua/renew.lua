-- Extend a lease, if the claim is still the current one; tell whether anyone listens.
local head = read_head(P.session)
if not head or number(head.token) ~= P.token or head.nonce ~= P.nonce then return { 'stale' } end
if redis.call('HGET', request_key(P.request), 'claimed') ~= tostring(P.token) then return { 'stale' } end
head.lease = now + P.lease
redis.call('HSET', session_key(P.session), 'lease', head.lease)
set_wake(P.session, head)
return { 'renewed', redis.call('EXISTS', request_key(P.request) .. ':listen') }
