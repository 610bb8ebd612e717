-- Let a merged customer's id, which was asked for, lead on for as long as if they had been merged now (P.leads). Before,
-- whoever it leads to is let know of them for as long: while an id leads to a customer, their erasure finds it.
local name = customer_key(P.customer_key, P.leads and 'into' or 'from')
if P.leads or redis.call('PTTL', name) >= 0 then lasting(name) end
return { 'renewed' }
