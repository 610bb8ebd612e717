-- End a summary job: a new summary, a digest, both, or word of when to try again. Refused unless the job's fencing
-- token is the current one and the summary is still of the version that was claimed. Idempotent by token.
local head = read_head(P.session)
if not head then return { 'gone' } end
local kept = redis.call('HMGET', session_key(P.session), 'sum_token', 'sum_nonce', 'sum_ended', 'sum_row', 'sum_version',
  'summary', 'sum_through', 'sum_reason', 'sum_tries')
if kept[3] == P.token .. '.' .. P.nonce then
  return { 'committed', kept[4] or '', redis.call('HGET', session_key(P.session), 'sum_told') or '' }
end
if number(kept[1]) ~= P.token or kept[2] ~= P.nonce or number(kept[5]) ~= P.version then return { 'stale' } end

local row = ''
if P.summary then
  if kept[6] and P.keep_versions > 0 then
    redis.call('LPUSH', session_key(P.session, 'sums'), cjson.encode({ kept[6], number(kept[7]), number(kept[5]) }))
    redis.call('LTRIM', session_key(P.session, 'sums'), 0, P.keep_versions - 1)
  end
  redis.call('HSET', session_key(P.session), 'summary', P.summary, 'sum_through', P.through, 'sum_version', P.version + 1)
  redis.call('HINCRBY', session_key(P.session), 'sum_tokens', P.tokens)
  row = add_row('session.summarized', P.session, head, 'evt_' .. P.session .. '_summary_' .. (P.version + 1), nil,
    P.announce_grace)
end
if P.digest then
  local digest = cjson.encode({ value = P.digest, ended = number(head.last), messages = P.seen })
  redis.call('HSET', customer_key(head.customer_key, 'dig'), P.session, digest)
  redis.call('ZADD', customer_key(head.customer_key, 'digorder'), number(head.last), P.session)
  redis.call('HSET', session_key(P.session), 'sum_done', P.seen)
end
if P.again_in then
  redis.call('HSET', session_key(P.session), 'sum_later', now + P.again_in, 'sum_tries', number(kept[9]) + 1)
else
  redis.call('HSET', session_key(P.session), 'sum_later', 0, 'sum_tries', 0)
  if not P.left and kept[8] ~= 'memory' then redis.call('HSET', session_key(P.session), 'sum_seen', P.seen) end
end
if P.read then
  redis.call('HSET', session_key(P.session), 'mem_read', P.read)
  redis.call('HINCRBY', session_key(P.session), 'mem_tokens', P.read_tokens)
end
if P.cold then redis.call('HSET', session_key(P.session), 'mem_cold', P.cold) end
-- Whoever asked after the job was claimed, still waits.
local answers = kept[8] == 'forced' and P.summary or kept[8] == 'asked' and not P.again_in and not P.left
if answers and number(redis.call('HGET', session_key(P.session), 'sum_asked')) <= P.claimed then
  redis.call('HSET', session_key(P.session), 'sum_asked', 0)
end
local told = ''
if P.remembered then
  told = add_row('memory.updated', P.session, head, 'evt_' .. P.session .. '_memory_' .. P.token, nil, P.announce_grace)
end
redis.call('HSET', session_key(P.session), 'sum_lease', 0, 'sum_ended', P.token .. '.' .. P.nonce, 'sum_row', row,
  'sum_told', told)
schedule(P.session)
-- This is no activity of the customer's: what is new lives as long as what it lies beside.
last_with({ session_key(P.session, 'sums') }, { session_key(P.session) })
last_with({ customer_key(head.customer_key, 'dig'), customer_key(head.customer_key, 'digorder') },
  { customer_key(head.customer_key, 'ses'), customer_key(head.customer_key, 'mem') })
return { 'committed', row, told }
