-- Before scripts that let a session leave for another bucket: what they share.

local function told(value) return #value .. ':' .. value end
local function sorted_fields(name)
  local fields, names, values = redis.call('HGETALL', name), {}, {}
  for index = 1, #fields, 2 do
    names[#names + 1] = fields[index]
    values[fields[index]] = fields[index + 1]
  end
  table.sort(names)
  return names, values
end

-- A session's requests, open ones too: each once, in an order that is always the same.
local function requests_of(id)
  local found, known = {}, {}
  local function add(request)
    if not known[request] then found[#found + 1] = request end
    known[request] = true
  end
  for _, request in ipairs(redis.call('ZRANGE', session_key(id, 'req'), 0, -1)) do add(request) end
  for _, ticket in ipairs(redis.call('LRANGE', session_key(id, 'in'), 0, -1)) do
    if string.sub(ticket, 1, 4) ~= 'msg_' then add(ticket) end
  end
  return found
end

local function is_bound(id, head)
  return head.conversation and redis.call('HGET', customer_key(head.customer_key, 'conv'), head.conversation) == id
end

-- What tells, without reading it all, that a session is no longer what it was. Messages only become more, and their count
-- is in the head; one that is redacted changes `sum_token`, and a rewritten summary `sum_version`. What a request holds
-- of text is written once, or taken out. A lease that is extended changes nothing.
local LENGTH_ONLY = { summary = true, message = true, metadata = true, attachments = true, result = true, receipt = true }
local function state_of(id, head)
  local all = {}
  local function add_fields(name)
    local names, values = sorted_fields(name)
    for _, field in ipairs(names) do
      local value = LENGTH_ONLY[field] and tostring(#values[field]) or values[field]
      if field ~= 'lease' then all[#all + 1] = told(field) .. told(value) end
    end
    all[#all + 1] = '/'
  end
  add_fields(session_key(id))
  for _, ticket in ipairs(redis.call('LRANGE', session_key(id, 'in'), 0, -1)) do all[#all + 1] = told(ticket) end
  for _, request in ipairs(requests_of(id)) do
    all[#all + 1] = told(request)
    add_fields(request_key(request))
  end
  all[#all + 1] = is_bound(id, head) and 'bound' or ''
  return table.concat(all)
end
