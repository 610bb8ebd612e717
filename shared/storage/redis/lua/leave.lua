-- Let a session go that stands whole in another bucket, unless it has changed since it was read. Its id, and those of its
-- requests, lead there from now on. Asked again, it has left.
local id, head = P.session, read_head(P.session)
if not head then return { redis.call('EXISTS', at_key(id)) == 1 and 'left' or 'gone' } end
if redis.call('HGET', customer_key(head.customer_key, 'mover'), 'token') ~= P.token then return { 'late' } end
if state_of(id, head) ~= P.state then return { 'changed' } end
local ck = head.customer_key
for _, request in ipairs(requests_of(id)) do
  point(request, P.bucket)
  redis.call('UNLINK', request_key(request), request_key(request) .. ':listen')
  redis.call('ZREM', callbacks_key, P.tenant .. '/' .. request)
end
unindex(id, head)
redis.call('HDEL', customer_key(ck, 'dig'), id)
redis.call('ZREM', customer_key(ck, 'digorder'), id)
if is_bound(id, head) then redis.call('HDEL', customer_key(ck, 'conv'), head.conversation) end
redis.call('ZREM', customer_key(ck, 'ses'), id)
redis.call('ZREM', wake_key, P.tenant .. '/' .. id)
redis.call('ZREM', summaries_key, P.tenant .. '/' .. id)
redis.call('HDEL', tries_key, P.tenant .. '/' .. id)
for _, part in ipairs(SESSION_PARTS) do redis.call('UNLINK', session_key(id, part or nil)) end
point(id, P.bucket)
return { 'left' }
