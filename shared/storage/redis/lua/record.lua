-- Add a message that asks for no reply. It takes its turn: behind open tickets it waits for them.
-- An imported message brings its own time, P.at: it belongs to the past, so only a closed session refuses it.
return once(function()
  local head = read_head(P.session)
  if not head then return { 'unknown' } end
  local at = math.min(P.at or now, now)
  local reason = P.at and head.status == 'closed' and 'closed' or not P.at and over(head, P.session, now)
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
  schedule(P.session)
  keep(P.session, head)
  return { 'recorded', seq, now }
end)
