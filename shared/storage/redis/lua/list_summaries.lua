-- Read a session's summaries, newest first.
if not read_head(P.session) then return { 'unknown' } end
local found = {}
local kept = redis.call('HMGET', session_key(P.session), 'summary', 'sum_through', 'sum_version')
if kept[1] then found[1] = kept end
for _, earlier in ipairs(earlier_summaries(P.session)) do found[#found + 1] = earlier end
return { 'summaries', found }
