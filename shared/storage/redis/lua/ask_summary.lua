-- Make a session's summary due now, whatever was tried before, until a job has made it.
local head = read_head(P.session)
if not head then return { 'unknown' } end
redis.call('HSET', session_key(P.session), 'sum_asked', now, 'sum_later', 0, 'sum_tries', 0)
schedule(P.session)
return { 'asked' }
