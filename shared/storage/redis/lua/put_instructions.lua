-- Replace a tenant's instructions; earlier ones are kept, bounded. KEYS[1] is the tenant's own key.
local P = cjson.decode(ARGV[1])
local now = P.now
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local version = redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('HSET', KEYS[1], 'text', P.text, 'updated', now, 'v' .. version, P.text)
redis.call('HDEL', KEYS[1], 'v' .. (version - P.keep))
return { version, now }
