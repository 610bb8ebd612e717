-- Remove a memory entry and its history; that it was removed is remembered, for what is extracted later.
return once(function()
  local ck, gone = P.customer_key, customer_key(P.customer_key, 'memgone')
  if redis.call('HEXISTS', entries_key(ck), P.key) == 0 then return { 'unknown' } end
  drop_entry(ck, P.key)
  redis.call('ZADD', gone, now, P.key)
  redis.call('ZREMRANGEBYRANK', gone, 0, -MOST_GONE - 1)
  if P.retention == 0 then redis.call('PERSIST', gone) else redis.call('PEXPIRE', gone, P.retention) end
  return { 'deleted' }
end)
