-- One page of a session's messages with a seq above P.after, oldest first.
local count = read_head(P.session) and redis.call('HGET', session_key(P.session), 'messages')
if not count then return { 'unknown' } end
local last = math.min(number(count), P.after + P.limit)
local fields, found = {}, {}
for seq = P.after + 1, last do fields[#fields + 1] = seq end
if #fields > 0 then
  for index, raw in ipairs(redis.call('HMGET', session_key(P.session, 'msg'), unpack(fields))) do
    if raw then found[#found + 1] = fields[index] .. '|' .. raw end
  end
end
return { 'messages', found, last, last < number(count) and 1 or 0 }
