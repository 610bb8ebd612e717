-- Before every script that works on a bucket: names of keys.
-- KEYS[1] is the bucket's wake index, "cm:{7k}:wake"; all other keys live under the same hash tag.
local wake_key = KEYS[1]
local base = string.sub(wake_key, 1, -5)
local root = base .. 't:' .. P.tenant .. ':'
local tries_key = base .. 'tries'
local outbox_key = base .. 'outbox'
local outbox_due_key = base .. 'outbox:due'
local summaries_key = base .. 'sumdue'
local erasing_key = base .. 'erasing'
local callbacks_key = base .. 'callbacks'

local function session_key(id, part)
  return root .. 'ses:' .. id .. (part and ':' .. part or '')
end
local function request_key(id) return root .. 'req:' .. id end
local function customer_key(customer, part) return root .. 'cus:' .. customer .. ':' .. part end
