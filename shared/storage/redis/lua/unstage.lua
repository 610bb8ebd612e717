-- Drop what was staged of a session that ended before it could leave: nothing of it is to stand anywhere.
local id = P.session
local kept = redis.call('GET', session_key(id, 'coming'))
if not kept then return { 'there' } end
local rest = cjson.decode(kept)
for index = 1, #rest.requests, 2 do redis.call('UNLINK', request_key(rest.requests[index])) end
for _, ticket in ipairs(rest.tickets) do redis.call('UNLINK', request_key(ticket)) end
redis.call('UNLINK', session_key(id, 'coming'), session_key(id, 'msg'))
local conv = customer_key(rest.customer_key, 'conv')
for index = 1, #rest.head, 2 do
  local conversation = rest.head[index] == 'conversation' and rest.head[index + 1]
  if conversation and redis.call('HGET', conv, conversation) == id then redis.call('HDEL', conv, conversation) end
end
redis.call('HDEL', customer_key(rest.customer_key, 'coming'), 's/' .. id)
return { 'dropped' }
