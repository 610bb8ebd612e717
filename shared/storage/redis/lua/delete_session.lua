-- Remove a session and all it holds, and take back what was extracted from it.
return once(function()
  local head = read_head(P.session)
  if not head then return { 'unknown' } end
  unindex(P.session, head)
  take_back(head.customer_key, P.session)
  redis.call('HDEL', customer_key(head.customer_key, 'dig'), P.session)
  redis.call('ZREM', customer_key(head.customer_key, 'digorder'), P.session)
  remove_session(P.session, head)
  for _, part in ipairs(CUSTOMER_PARTS) do
    if P.retention > 0 then rests(head.customer_key, part) end
  end
  return { 'deleted' }
end)
