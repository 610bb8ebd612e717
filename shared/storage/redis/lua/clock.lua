-- Before every script: its parameters and the one clock.
-- ARGV[1] is a JSON object. `now` is given in tests only; else the server's TIME is the clock.
local P = cjson.decode(ARGV[1])
local now = P.now
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
