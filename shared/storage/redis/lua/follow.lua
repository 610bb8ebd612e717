-- Tell to which bucket an id of this one leads, if it leads to any.
local at = redis.call('GET', at_key(P.id))
if at then point_lasts(P.id) end
return { at or '' }
