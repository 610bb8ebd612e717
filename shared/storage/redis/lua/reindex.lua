-- Remove a session's pieces from its customer's recall index, and make it due for new ones.
local head = read_head(P.session)
if not head then return { 'unknown' } end
unindex(P.session, head)
schedule(P.session)
return { 'due' }
