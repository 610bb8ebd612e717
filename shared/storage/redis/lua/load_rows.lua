-- Put rows of another store's outbox into this bucket's, due at once; one that is here already stays as it is.
for _, row in ipairs(P.rows) do
  if redis.call('HSETNX', outbox_key, row[1], row[2]) == 1 then redis.call('ZADD', outbox_due_key, now, row[1]) end
end
return { 'loaded' }
