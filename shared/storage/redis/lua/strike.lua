-- Remove rows that have been announced.
redis.call('HDEL', outbox_key, unpack(P.rows))
redis.call('ZREM', outbox_due_key, unpack(P.rows))
return { 'struck' }
