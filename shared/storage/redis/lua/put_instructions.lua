-- Replace a tenant's instructions; earlier ones are kept, bounded. KEYS[1] is the tenant's own key; `op` as in the prelude.
local P = cjson.decode(ARGV[1])
local now = P.now
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local kept = KEYS[1] .. ':op:' .. P.op
local known = redis.call('GET', kept)
if known then return cjson.decode(known) end
local version = redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('HSET', KEYS[1], 'text', P.text, 'updated', now, 'v' .. version, P.text)
redis.call('HDEL', KEYS[1], 'v' .. (version - P.keep))
redis.call('SET', kept, cjson.encode({ version, now }), 'PX', 60000)
return { version, now }
