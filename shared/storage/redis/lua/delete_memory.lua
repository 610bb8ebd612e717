-- Remove a memory entry and its history.
return once(function()
  local removed = redis.call('HDEL', customer_key(P.customer_key, 'mem'), P.key)
  redis.call('HDEL', customer_key(P.customer_key, 'memhistory'), P.key)
  redis.call('ZREM', customer_key(P.customer_key, 'memorder'), P.key)
  return { removed == 1 and 'deleted' or 'unknown' }
end)
