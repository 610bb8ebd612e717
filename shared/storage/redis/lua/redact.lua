-- Take the text out of a message for ever. What was made of it goes along and is due again: summary, earlier versions,
-- digest, the copy in its request's record. A job under way may have read it, so its token is no longer the current one.
local head = read_head(P.session)
if not head then return { 'unknown' } end
local messages = session_key(P.session, 'msg')
local raw = redis.call('HGET', messages, P.seq)
if not raw then return { 'no message' } end
local tokens, text = string.match(raw, '^(%d+)|(.*)$')
local kept = cjson.decode(text)
if kept.redacted then return { 'redacted', P.seq .. '|' .. raw } end
local left = { redacted = true }
for _, name in ipairs({ 'id', 'role', 'author', 'at', 'requestId', 'unanswered' }) do left[name] = kept[name] end
left.content = ''
raw = '0|' .. cjson.encode(left)
redis.call('HSET', messages, P.seq, raw)
redis.call('HINCRBY', session_key(P.session), 'tokens', -number(tokens))
redis.call('HDEL', session_key(P.session), 'pin', 'pin_summary')

if kept.requestId then
  local record = request_key(kept.requestId)
  local reply = record .. ':reply'
  for _, name in ipairs({ reply, reply .. ':' .. (redis.call('GET', reply) or '0') }) do redis.call('UNLINK', name) end
  local result = redis.call('HGET', record, 'result')
  if kept.role == 'user' and redis.call('EXISTS', record) == 1 then
    redis.call('HSET', record, 'message', '')
    redis.call('HDEL', record, 'attachments')
  elseif kept.role == 'assistant' and result then
    local told = cjson.decode(result)
    told.reply = ''
    redis.call('HSET', record, 'result', cjson.encode(told))
  end
end

redis.call('HINCRBY', session_key(P.session), 'sum_token', 1)
redis.call('HINCRBY', session_key(P.session), 'sum_version', 1)
redis.call('HSET', session_key(P.session), 'sum_nonce', '', 'sum_lease', 0)
if number(redis.call('HGET', session_key(P.session), 'sum_through')) >= P.seq then
  redis.call('HDEL', session_key(P.session), 'summary')
  redis.call('HSET', session_key(P.session), 'sum_through', 0, 'sum_tokens', 0, 'sum_seen', 0)
  redis.call('UNLINK', session_key(P.session, 'sums'))
end
if redis.call('HDEL', customer_key(head.customer_key, 'dig'), P.session) == 1 then
  redis.call('ZREM', customer_key(head.customer_key, 'digorder'), P.session)
  redis.call('HSET', session_key(P.session), 'sum_done', 0)
end
unindex(P.session, head)
take_back(head.customer_key, P.session, P.seq)
schedule(P.session)
return { 'redacted', P.seq .. '|' .. raw }
