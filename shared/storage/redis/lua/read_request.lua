-- Read a request's record. What was answered with another request has its result there.
local fields = redis.call('HGETALL', request_key(P.request))
if #fields == 0 or redis.call('HEXISTS', request_key(P.request), 'deleted') == 1 then return { 'unknown' } end
local with = redis.call('HGET', request_key(P.request), 'with')
local result = with and redis.call('HGET', request_key(with), 'result')
if result then
  fields[#fields + 1] = 'result'
  fields[#fields + 1] = result
end
return { 'request', fields }
