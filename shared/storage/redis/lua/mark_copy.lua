-- Keep what a session, or a customer's memory, was when it was last the same in another store.
if P.session then
  if redis.call('EXISTS', session_key(P.session)) == 1 then
    redis.call('HSET', session_key(P.session), 'copied', P.stamp)
  end
  return { 'marked' }
end
local stays = redis.call('PTTL', customer_key(P.customer_key, 'mem'))
if stays == -2 then stays = redis.call('PTTL', customer_key(P.customer_key, 'dig')) end
if stays ~= -2 then redis.call('SET', customer_key(P.customer_key, 'copied'), P.stamp) end
if stays > 0 then redis.call('PEXPIRE', customer_key(P.customer_key, 'copied'), stays) end
return { 'marked' }
