-- Take a session's summary job under a fencing token of its own, if it is due, or by force, and nobody has it.
-- A claim whose answer was lost asks again with its nonce; a claim that is asked for again is renewed.
local head = read_head(P.session)
if not head then
  redis.call('ZREM', summaries_key, P.tenant .. '/' .. P.session)
  return { 'gone' }
end
local kept = redis.call('HMGET', session_key(P.session), 'sum_lease', 'sum_nonce', 'sum_token', 'sum_reason', 'sum_tries')
local again = kept[2] == P.nonce
if number(kept[1]) > now and not again then return { 'busy' } end
local reason, _, behind = summary_due(P.session)
if again and number(kept[1]) > now then reason = kept[4] end
if not reason and P.force then reason = 'forced' end
if not reason then
  schedule(P.session)
  return { 'early' }
end
local token = again and number(kept[3]) or redis.call('HINCRBY', session_key(P.session), 'sum_token', 1)
redis.call('HSET', session_key(P.session), 'sum_nonce', P.nonce, 'sum_lease', now + P.sum_lease, 'sum_reason', reason)
schedule(P.session)
return { 'claimed', now, token, reason, behind, redis.call('HGETALL', session_key(P.session)),
  redis.call('LLEN', session_key(P.session, 'in')), number(kept[5]) }
