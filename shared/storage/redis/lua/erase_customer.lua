-- Erase a customer, P.limit sessions at once. The mark comes first: from then on nothing of theirs is read or written.
-- Without P.begin, go on only where there is a mark. It goes with the last session, and the id may be used anew.
local ck, member = P.customer_key, P.tenant .. '/' .. P.customer_key
if P.begin then
  redis.call('ZADD', erasing_key, 'NX', now, member)
elseif not is_erasing(ck) then
  return { 'erased' }
end
for _, part in ipairs(CUSTOMER_PARTS) do
  if part ~= 'ses' then redis.call('UNLINK', customer_key(ck, part)) end
end
redis.call('UNLINK', customer_key(ck, 'copied'))
local sessions = customer_key(ck, 'ses')
for _, id in ipairs(redis.call('ZRANGE', sessions, 0, P.limit - 1)) do
  -- Nobody is told whose they were. `read_head` sees none of them any more.
  local conversation = redis.call('HGET', session_key(id), 'conversation') or nil
  remove_session(id, { customer = '', customer_key = ck, conversation = conversation })
end
if redis.call('ZCARD', sessions) > 0 then return { 'more' } end

-- What is still to be announced: outcomes without their customer, all else not at all.
local rows = redis.call('HGETALL', outbox_key)
for index = 1, #rows, 2 do
  local row = cjson.decode(rows[index + 1])
  if row.tenant == P.tenant and row.customer == P.customer then
    if row.request then
      row.customer, row.metadata = '', nil
      redis.call('HSET', outbox_key, rows[index], cjson.encode(row))
    else
      redis.call('HDEL', outbox_key, rows[index])
      redis.call('ZREM', outbox_due_key, rows[index])
    end
  end
end
redis.call('ZREM', erasing_key, member)
return { 'erased' }
