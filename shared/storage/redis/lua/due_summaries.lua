-- Sessions of a bucket whose summary may be due, longest due first, at most so many of each tenant; nothing is changed.
-- Looked at are the first P.most: one tenant's backlog hides nobody's, unless it is longer than that.
local found, of = {}, {}
local due = redis.call('ZRANGEBYSCORE', summaries_key, '-inf', now, 'WITHSCORES', 'LIMIT', 0, P.most)
for index = 1, #due, 2 do
  local tenant = string.match(due[index], '^[^/]*')
  of[tenant] = (of[tenant] or 0) + 1
  if of[tenant] <= P.limit then
    found[#found + 1] = due[index]
    found[#found + 1] = due[index + 1]
  end
end
return { 'due', found }
