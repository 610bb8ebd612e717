-- Add a message that asks for no reply. It takes its turn: behind open tickets it waits for them.
-- Expiry is judged at P.at: the message's own time when it is imported, else now.
return once(function()
  local head = read_head(P.session)
  if not head then return { 'unknown' } end
  local at = P.at or now
  local reason = over(head, P.session, at)
  if reason then return { reason } end
  local open = redis.call('LLEN', session_key(P.session, 'in'))
  if open >= P.max_open then return { 'busy' } end
  local seq = 0
  if open == 0 then
    seq = append(P.session, P.raw)
  else
    redis.call('RPUSH', session_key(P.session, 'in'), P.message)
    redis.call('HSET', session_key(P.session, 'pending'), P.message, P.raw)
  end
  touch(P.session, head, at)
  keep(P.session, head)
  return { 'recorded', seq, now }
end)
