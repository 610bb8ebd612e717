-- Write a memory entry; the value it replaces goes into its history, bounded.
local entries, order = customer_key(P.customer_key, 'mem'), customer_key(P.customer_key, 'memorder')
local history = customer_key(P.customer_key, 'memhistory')
local earlier = redis.call('HGET', entries, P.key)
local version, created = 1, now
local old = earlier and cjson.decode(earlier)
-- Asked again after a lost answer: it stands already.
if old and old.op == P.op then
  return { old.version == 1 and 'created' or 'replaced', earlier, redis.call('HGET', history, P.key) }
end
if earlier then
  version, created = old.version + 1, old.created
  local past = redis.call('HGET', history, P.key)
  local versions = past and cjson.decode(past) or {}
  table.insert(versions, 1, { raw = old.raw, scope = old.scope, source = old.source, version = old.version,
    from = old.updated, to = now })
  while #versions > P.keep do table.remove(versions) end
  redis.call('HSET', history, P.key, cjson.encode(versions))
elseif redis.call('HLEN', entries) >= P.max_entries then
  return { 'full' }
end
local entry = cjson.encode({ key = P.key, raw = P.raw, scope = P.scope, source = P.source, version = version, op = P.op,
  created = created, updated = now })
redis.call('HSET', entries, P.key, entry)
redis.call('ZADD', order, now, P.key)
for _, name in ipairs({ entries, order, history }) do
  if P.retention == 0 then redis.call('PERSIST', name) else redis.call('PEXPIRE', name, P.retention) end
end
return { earlier and 'replaced' or 'created', entry, redis.call('HGET', history, P.key) }
