-- Read the last piece of a session in its customer's recall index.
local head = read_head(P.session)
if not head then return { 'unknown' } end
local number_ = number(redis.call('HGET', session_key(P.session), 'idx_count')) - 1
if number_ < 0 then return { 'none' } end
return { 'piece', number_, redis.call('HGET', customer_key(head.customer_key, 'idx'), P.session .. '/' .. number_) }
