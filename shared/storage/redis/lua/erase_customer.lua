-- Erase a customer, P.limit sessions at once. The mark comes first: from then on nothing of theirs is read or written.
-- Without P.begin, go on only where there is a mark. It goes with the last session, and the id may be used anew.
-- Who was merged into them is erased before: their names are told, after the mark, until they are.
local ck, member = P.customer_key, P.tenant .. '/' .. P.customer_key
if P.begin then
  local into = not P.alias and merged_into(ck)
  if into then return { 'merged', into } end
  redis.call('ZADD', erasing_key, 'NX', now, member)
elseif not is_erasing(ck) then
  return { 'erased' }
end
local aliases = redis.call('HKEYS', customer_key(ck, 'from'))
if #aliases > 0 and not P.alias then return { 'aliases', aliases } end
redis.call('UNLINK', customer_key(ck, 'into'), customer_key(ck, 'mover'))
for _, part in ipairs(CUSTOMER_PARTS) do
  if part ~= 'ses' and part ~= 'coming' then redis.call('UNLINK', customer_key(ck, part)) end
end
redis.call('UNLINK', customer_key(ck, 'copied'))
-- Sessions that had left another bucket, and not yet arrived.
for _, field in ipairs(redis.call('HKEYS', customer_key(ck, 'coming'))) do
  local id = string.match(field, '^s/(.+)$')
  local kept = id and redis.call('GET', session_key(id, 'coming'))
  if kept then
    local rest = cjson.decode(kept)
    for _, ticket in ipairs(rest.tickets) do redis.call('RPUSH', session_key(id, 'in'), ticket) end
    for index = 1, #rest.requests, 2 do
      redis.call('ZADD', session_key(id, 'req'), rest.requests[index + 1], rest.requests[index])
    end
    redis.call('UNLINK', session_key(id, 'coming'))
    remove_session(id, { customer = '', customer_key = ck })
  end
end
redis.call('UNLINK', customer_key(ck, 'coming'))
local sessions, away = customer_key(ck, 'ses'), {}
for _, id in ipairs(redis.call('ZRANGE', sessions, 0, P.limit - 1)) do
  -- Nobody is told whose they were. `read_head` sees none of them any more.
  local conversation = redis.call('HGET', session_key(id), 'conversation') or nil
  remove_session(id, { customer = '', customer_key = ck, conversation = conversation })
  away[#away + 1] = id
end
if redis.call('ZCARD', sessions) > 0 then return { 'more', away } end

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
for _, merge in ipairs(redis.call('ZRANGE', merging_key, 0, -1)) do
  local tenant, into = string.match(merge, '^([^/]+)/[^/]+/([^/]+)$')
  if tenant == P.tenant and into == ck then redis.call('ZREM', merging_key, merge) end
end
redis.call('ZREM', erasing_key, member)
return { 'erased', away }
