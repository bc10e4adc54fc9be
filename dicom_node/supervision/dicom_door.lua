-- What HAProxy asks and checks on the DICOM port (PS3.8 9.3, PS3.7 9.3, PS3.5 7).
--
-- Reads the folder that DICOM_DOOR names, which dicom_node/supervision/dicom_door.py writes. Two
-- things are registered:
--
--   action  lua.dicom_judge    reads the whole A-ASSOCIATE-RQ and sets txn.verdict: ok, calling,
--                              called or close; sess.title is the calling title, made safe for a log
--   service lua.dicom_reject   answers with an A-ASSOCIATE-RJ

local folder = assert(os.getenv("DICOM_DOOR"), "DICOM_DOOR names no folder")

local ASSOCIATE_RQ, FIXED_PART, PDU_HEAD = 1, 74, 6

local function unhex(text)
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local function lines(name)
  local found = {}
  local file = assert(io.open(folder .. "/" .. name, "r"))
  for line in file:lines() do
    local words = {}
    for word in line:gmatch("%S+") do words[#words + 1] = word end
    found[#found + 1] = words
  end
  file:close()
  return found
end

local options = {}
for _, words in ipairs(lines("options")) do options[words[1]] = words[2] end
local own_title = unhex(options.title or "")
local has_tls = options.tls == "true"
local longest_pdu = tonumber(options.longest_pdu)

-- title -> list of {address, name, sha256}; nil where no modality is named
local callers
for _, words in ipairs(lines("callers")) do
  callers = callers or {}
  local title = unhex(words[1])
  callers[title] = callers[title] or {}
  table.insert(callers[title], {address = words[2], name = unhex(words[3]), sha256 = words[4]})
end

-- Certificates ------------------------------------------------------------------------------------

-- Return tag, first and last byte of the content, of the DER value at a place; nil where it lies.
local function der(text, at)
  local tag, length = text:byte(at, at + 1)
  if not length then return end
  local first = at + 2
  if length > 0x80 and length <= 0x84 then
    local size = length - 0x80
    if #text < first + size - 1 then return end
    length = string.unpack(">I" .. size, text, first)
    first = first + size
  elseif length >= 0x80 then
    return
  end
  if first + length - 1 > #text then return end
  return tag, first, first + length - 1
end

-- Call `each` with tag, first, last of the values between two places.
local function members(text, first, last, each)
  while first <= last do
    local tag, from, to = der(text, first)
    if not tag or to > last then return end
    each(tag, from, to)
    first = to + 1
  end
end

local SUBJECT_ALT_NAME, COMMON_NAME = "\x55\x1d\x11", "\x55\x04\x03"

local function alt_names(text, first, last, add)
  members(text, first, last, function(_, from, to)
    local id, value
    members(text, from, to, function(tag, a, b)
      if tag == 0x06 then id = text:sub(a, b) elseif tag == 0x04 then value = a end
    end)
    if id ~= SUBJECT_ALT_NAME or not value then return end
    local tag, a, b = der(text, value)
    if tag ~= 0x30 then return end
    members(text, a, b, function(kind, c, d)
      if kind == 0x82 then add(text:sub(c, d)) end -- dNSName
    end)
  end)
end

local function common_names(text, first, last, add)
  members(text, first, last, function(_, set, set_end)
    members(text, set, set_end, function(_, pair, pair_end)
      local id
      members(text, pair, pair_end, function(tag, a, b)
        if tag == 0x06 then id = text:sub(a, b)
        elseif id == COMMON_NAME then add(text:sub(a, b)) end
      end)
    end)
  end)
end

-- Return the set of names that a certificate holds: common names of its subject, and dNSNames
-- (RFC 5280 4.1, 4.2.1.6).
local function names_of(certificate)
  local names = {}
  local function add(name) names[name] = true end
  local _, outer = der(certificate, 1)
  if not outer then return names end
  local tag, first, last = der(certificate, outer)
  if tag ~= 0x30 then return names end
  local sequences = 0
  members(certificate, first, last, function(kind, from, to)
    if kind == 0x30 then
      sequences = sequences + 1 -- signature, issuer, validity, subject, public key
      if sequences == 4 then common_names(certificate, from, to, add) end
    elseif kind == 0xA3 then
      local inner, a, b = der(certificate, from)
      if inner == 0x30 then alt_names(certificate, a, b, add) end
    end
  end)
  return names
end

-- The association ---------------------------------------------------------------------------------

local function title_at(text, at)
  return (text:sub(at, at + 15):gsub("^ +", ""):gsub("[ %z]+$", ""))
end

-- Return a title as one word of a log, as in a URL.
local function quoted(title)
  return (title:gsub("[^%w_.-]", function(one) return ("%%%02X"):format(one:byte()) end))
end

local function is_proved(caller, txn)
  if not has_tls then return true end
  local certificate = txn.f:ssl_c_der()
  if not certificate or certificate == "" then return false end
  local digest = txn.c:hex(txn.c:sha2(certificate, 256)):lower()
  if digest == options.own_sha256 then return true end -- `dicom-node send` shows the node's own
  if caller.sha256 ~= "-" then return digest == caller.sha256 end
  return names_of(certificate)[caller.name] == true
end

local function verdict(text, txn)
  if callers == nil then return "ok" end
  local title, address = title_at(text, 27), txn.f:src()
  local known = false
  for _, caller in ipairs(callers[title] or {}) do
    known = known or (caller.address == address and is_proved(caller, txn))
  end
  if not known then return "calling" end
  return title_at(text, 11) == own_title and "ok" or "called"
end

-- Wait for the whole A-ASSOCIATE-RQ and say what to do with it.
core.register_action("dicom_judge", {"tcp-req"}, function(txn)
  local head = txn.req:data(0, PDU_HEAD)
  if not head or #head < PDU_HEAD then return txn:set_var("txn.verdict", "close") end
  local kind, length = string.unpack(">BxI4", head)
  if kind ~= ASSOCIATE_RQ or length < FIXED_PART - PDU_HEAD or length > longest_pdu then
    return txn:set_var("txn.verdict", "close")
  end
  local text = txn.req:data(0, PDU_HEAD + length)
  if not text or #text < PDU_HEAD + length then return txn:set_var("txn.verdict", "close") end
  txn:set_var("sess.title", quoted(title_at(text, 27)))
  txn:set_var("txn.verdict", verdict(text, txn))
end)

local REASONS = {calling = 3, called = 7}

core.register_service("dicom_reject", "tcp", function(applet)
  local reason = REASONS[applet:get_var("txn.verdict")] or 1
  applet:send(string.pack(">BBI4BBBB", 3, 0, 4, 0, 1, 1, reason))
end)
