-- What HAProxy asks and checks on the DICOM port (PS3.8 9.3, PS3.7 9.3, PS3.5 7).
--
-- Reads the folder that DICOM_DOOR names, which dicom_node/supervision/dicom_door.py writes. Three
-- things are registered:
--
--   action  lua.dicom_judge    reads the whole A-ASSOCIATE-RQ and sets txn.verdict: ok, calling,
--                              called or close; sess.title is the calling title, made safe for a log
--   service lua.dicom_reject   answers with an A-ASSOCIATE-RJ
--   filter  lua.dicom          follows the PDUs of an association: cuts off what drips, refuses an
--                              object whose structure would end Orthanc, and classes not stored
--
-- A message that is refused is not passed on, or is broken off. Orthanc is then sent a C-ECHO in its
-- place, whose answer becomes the refused message's: so answers keep their order, and the
-- association lasts. Each C-STORE is followed by such an echo: Orthanc 1.10.1 does not answer an
-- object that it cannot parse, and who waits for that answer waits for ever.

local folder = assert(os.getenv("DICOM_DOOR"), "DICOM_DOOR names no folder")

local P_DATA, ASSOCIATE_RQ, ASSOCIATE_AC, RELEASE_RQ, ABORT = 4, 1, 2, 5, 7
local C_STORE, C_ECHO, RESPONSE, NO_DATA = 0x0001, 0x0030, 0x8000, 0x0101
local UNDEFINED = 0xFFFFFFFF
local PIXEL_DATA, SOP_CLASS = 0x7FE00010, 0x00080016
local ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
local CANNOT_UNDERSTAND, CLASS_NOT_SUPPORTED = 0xC000, 0x0122
local FIXED_PART, LONGEST_COMMAND, LONGEST_UID = 74, 4096, 64
local PDU_HEAD, PDV_HEAD = 6, 6
local BULK = 32768 -- a value that long is passed on as it comes

local IMPLICIT, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"
local BIG_ENDIAN = "1.2.840.10008.1.2.2"
local LONG_VR = {}
for vr in ("OB OD OF OL OV OW SQ SV UC UN UR UT UV"):gmatch("%u%u") do LONG_VR[vr] = true end
local SHORT_VR = {}
for vr in ("AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US"):gmatch("%u%u") do
  SHORT_VR[vr] = true
end

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
local room = tonumber(options.room) -- bytes of a message that can be kept back
local largest = tonumber(options.largest) -- bytes of an object
local deepest = tonumber(options.deepest)
local pdu_wait_s = tonumber(options.pdu_wait_s)
local message_wait_s = tonumber(options.message_wait_s)
local gap_s = tonumber(options.gap_s)
local slowest = tonumber(options.slowest) -- bytes a second

-- title -> list of {address, name, sha256}; nil where no modality is named
local callers
for _, words in ipairs(lines("callers")) do
  callers = callers or {}
  local title = unhex(words[1])
  callers[title] = callers[title] or {}
  table.insert(callers[title], {address = words[2], name = unhex(words[3]), sha256 = words[4]})
end
local storable = {}
for _, words in ipairs(lines("classes")) do storable[words[1]] = true end

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

-- The structure of an object ----------------------------------------------------------------------

local Structure = {}
Structure.__index = Structure

local function structure(syntax)
  return setmetatable({
    order = syntax == BIG_ENDIAN and ">" or "<",
    explicit = syntax ~= IMPLICIT,
    opaque = syntax == nil or syntax == DEFLATED,
    at = 0, -- bytes read
    skip = 0, -- bytes of a value still to come
    rest = "", -- the beginning of an element that is not whole
    levels = {}, -- open sequences, items and fragments
  }, Structure)
end

function Structure:push(kind, length, explicit, tentative)
  local top = self.levels[#self.levels]
  local limit = top and top.limit
  local ends = length ~= UNDEFINED and self.at + length or nil
  if ends and limit and ends > limit then return "length" end
  if ends and ends > largest then return "length" end
  if #self.levels >= 2 * deepest then return "depth" end
  self.levels[#self.levels + 1] = {
    kind = kind, ends = ends, limit = ends or limit, explicit = explicit,
    tentative = tentative or (top and top.tentative),
  }
end

-- Take what has turned out to be no sequence for the plain value that it may be.
function Structure:doubt(fault)
  for number, level in ipairs(self.levels) do
    if level.tentative and level.ends then
      for open = #self.levels, number, -1 do self.levels[open] = nil end
      if self.at > level.ends or fault == "depth" then return fault end
      self.skip = level.ends - self.at
      return
    end
  end
  return fault
end

function Structure:close()
  local top = self.levels[#self.levels]
  while top and top.ends and self.at >= top.ends do
    if self.at > top.ends then return "length" end
    self.levels[#self.levels] = nil
    top = self.levels[#self.levels]
  end
end

function Structure:delimiter(tag, length)
  local top = self.levels[#self.levels]
  if not top then return "item" end
  if tag == ITEM then
    if top.kind == "item" then return "item" end
    self.at = self.at + 8
    if top.kind == "sequence" then return self:push("item", length, top.explicit) end
    if length == UNDEFINED or self.at + length > (top.limit or largest) then return "length" end
    self.skip = length
    return
  end
  local wanted = tag == ITEM_END and top.kind == "item" or tag == SEQUENCE_END and top.kind ~= "item"
  if not wanted or top.ends or length ~= 0 then return "item" end
  self.at = self.at + 8
  self.levels[#self.levels] = nil
end

-- Read the element at a place of a text. Return its size, without its value; nothing where more of
-- it must come first; nil and a fault.
function Structure:element(text, from, group, number)
  local top = self.levels[#self.levels]
  if top and top.kind ~= "item" then return nil, "item" end
  local explicit = self.explicit
  if top then explicit = top.explicit end
  local tag, size, length, vr = group << 16 | number, 8, nil, nil
  if explicit then
    vr = text:sub(from + 4, from + 5)
    if LONG_VR[vr] or not SHORT_VR[vr] then
      if not vr:find("^%u%u$") then return nil, "vr" end
      size = 12
      if #text - from + 1 < size then return end
      length = string.unpack(self.order .. "I4", text, from + 8)
    else
      length = string.unpack(self.order .. "I2", text, from + 6)
    end
  else
    length = string.unpack(self.order .. "I4", text, from + 4)
  end
  local peek = not explicit and length ~= UNDEFINED and length >= 8
  if peek and tag ~= PIXEL_DATA and #text - from + 1 < size + 4 then return end
  if tag == SOP_CLASS and not top and length <= LONGEST_UID then
    if #text - from + 1 < size + length then return end
    self.sop_class = text:sub(from + size, from + size + length - 1):gsub("[ %z]+$", "")
  end
  self.at = self.at + size
  if length == UNDEFINED then
    if tag == PIXEL_DATA and explicit then return size, self:push("fragments", length) end
    if explicit and vr ~= "SQ" and vr ~= "UN" then return size, "length" end
    return size, self:push("sequence", length, explicit and vr ~= "UN")
  end
  if vr == "SQ" then return size, self:push("sequence", length, true) end
  if peek and tag ~= PIXEL_DATA
      and string.unpack(self.order .. "I2", text, from + size) == 0xFFFE
      and string.unpack(self.order .. "I2", text, from + size + 2) == 0xE000 then
    return size, self:push("sequence", length, false, true)
  end
  if self.at + length > (top and top.limit or largest) then return size, "length" end
  self.skip = length
  return size
end

-- Read on; return what is wrong with the object, if anything is.
function Structure:read(more)
  if self.opaque then
    self.at = self.at + #more
    return self.at > largest and "length" or nil
  end
  local text, from, fault = self.rest .. more, 1, nil
  while true do
    local there = #text - from + 1
    if self.skip > 0 then
      local step = math.min(self.skip, there)
      self.skip, self.at, from = self.skip - step, self.at + step, from + step
      if self.skip > 0 then break end
      there = there - step
    end
    fault = self:close()
    if not fault then
      if there < 8 then break end
      local group, number, length = string.unpack(self.order .. "I2I2I4", text, from)
      if group == 0xFFFE then
        fault = self:delimiter(group << 16 | number, length)
        from = from + 8
      else
        local size
        size, fault = self:element(text, from, group, number)
        if not size and not fault then break end
        from = from + (size or 0)
      end
    end
    if fault then
      local before = self.at
      fault = self:doubt(fault)
      if fault then return fault end
      from = from + (self.at - before)
    end
  end
  self.rest = text:sub(from)
end

-- Pass over a part of a long value.
function Structure:pass(size)
  self.skip, self.at = self.skip - size, self.at + size
end

-- Tell whether the object may end here.
function Structure:is_whole()
  if self.opaque then return true end
  if self.skip > 0 or #self.rest > 0 then return false end
  return not self:close() and #self.levels == 0
end

-- Messages ----------------------------------------------------------------------------------------

local function fragment(context, content, header)
  return string.pack(">BBI4I4BB", P_DATA, 0, #content + 6, #content + 2, context, header) .. content
end

local function short(number, value) return string.pack("<I2I2I4I2", 0, number, 2, value) end

local function uid(number, value)
  if not value then return "" end
  return string.pack("<I2I2I4", 0, number, #value) .. value
end

local function command_set(body) return string.pack("<I2I2I4I4", 0, 0, 4, #body) .. body end

local function echo(message)
  local body = uid(0x0002, "1.2.840.10008.1.1\0") .. short(0x0100, C_ECHO)
    .. short(0x0110, message.id) .. short(0x0800, NO_DATA)
  return fragment(message.context, command_set(body), 3)
end

local function answer(message)
  local body = uid(0x0002, message.sop_class) .. short(0x0100, message.field | RESPONSE)
    .. short(0x0120, message.id) .. short(0x0800, NO_DATA) .. short(0x0900, message.status)
    .. uid(0x1000, message.instance)
  return fragment(message.context, command_set(body), 3)
end

-- A fragment of odd length: Orthanc drops the message that it belongs to, and no more.
local function broken(message) return fragment(message.context, "\0", 2) end

-- Return the message that a command set begins; nil where it is none.
local function parsed(text, context)
  local found, at = {context = context, status = CANNOT_UNDERSTAND}, 1
  while at <= #text do
    if #text - at + 1 < 8 then return end
    local group, number, length = string.unpack("<I2I2I4", text, at)
    at = at + 8
    if group ~= 0 or length > #text - at + 1 then return end
    local value = text:sub(at, at + length - 1)
    if number == 0x0002 or number == 0x0003 then found.sop_class = value
    elseif number == 0x1000 then found.instance = value
    elseif length == 2 then
      local amount = string.unpack("<I2", value)
      if number == 0x0100 then found.field = amount
      elseif number == 0x0110 then found.id = amount
      elseif number == 0x0800 then found.has_data = amount ~= NO_DATA end
    end
    at = at + length
  end
  if not found.field or found.has_data == nil then return end
  found.id = found.id or 0
  return found
end

local function bare(text) return text and (text:gsub("[ %z]+$", "")) or "" end

-- The filter --------------------------------------------------------------------------------------

local Door = {id = "dicom"}
Door.__index = Door

function Door:new()
  return setmetatable({
    seen = 0, -- bytes read and kept back
    stream = 0, -- bytes of the PDU at hand that pass unread
    syntaxes = {}, -- of each presentation context
    probes = {}, first = 1, last = 0, -- what Orthanc has still to answer to echoes
    back = 0, -- bytes of an answer that pass unread
    command = "",
  }, Door)
end

function Door:start_analyze(txn, chn)
  filter.register_data_filter(self, chn)
end

local function now()
  local time = core.now()
  return time.sec + time.usec / 1e6
end

-- Tell whether the sender takes too long over its PDU, or its message. A pause counts for gap_s at
-- most, so that none for which Orthanc is to blame ends a good association.
function Door:is_slow(size)
  local time = now()
  local pause = math.min(time - (self.heard or time), gap_s)
  self.heard = time
  if self.message then
    self.message.waited = (self.message.waited or 0) + pause
    if self.message.waited > message_wait_s + self.message.size / slowest then return true end
  end
  if size == 0 then
    self.waited = 0
    return false
  end
  self.waited = (self.waited or 0) + pause
  return self.waited > pdu_wait_s + size / slowest
end

function Door:push(probe)
  self.last = self.last + 1
  self.probes[self.last] = probe
end

-- The message at hand ends with this PDU. Put what follows it behind it; return false where the
-- message is refused, and put what stands for it in its place.
function Door:finish(chn, from, size)
  local message = self.message
  self.message = nil
  if not message.fault then
    self.seen = from + size
    if message.field == C_STORE then
      chn:insert(echo(message), self.seen)
      self.seen = self.seen + #echo(message)
      self:push(message)
    elseif message.field == C_ECHO then
      self:push(false)
    end
    return
  end
  local instead = (message.passed and broken(message) or "") .. echo(message)
  chn:remove(message.start, from + size - message.start)
  chn:insert(instead, message.start)
  self.seen = message.start + #instead
  self:push(message)
end

-- Note a fault. What has been kept back of the message is dropped when it ends.
function Door:refuse(fault, status)
  local message = self.message
  message.fault = message.fault or fault
  message.status = status or message.status
end

function Door:begin(text, context)
  local message = parsed(text, context)
  if not message then return false end
  if #bare(message.sop_class) > LONGEST_UID or #bare(message.instance) > LONGEST_UID then
    return false
  end
  message.size, message.start = 0, self.start
  self.message = message
  if message.has_data then message.object = structure(self.syntaxes[context]) end
  if message.field == C_STORE and not storable[bare(message.sop_class)] then
    self:refuse("class", CLASS_NOT_SUPPORTED)
  end
  return true
end

-- Read one fragment; return false where the protocol is broken, true as a second value at the end
-- of the message.
function Door:fragment(context, header, content)
  local last = header & 2 ~= 0
  if header & 1 ~= 0 then
    if self.message or #self.command + #content > LONGEST_COMMAND then return false end
    self.command = self.command .. content
    if not last then return true end
    local text = self.command
    self.command = ""
    if not self:begin(text, context) then return false end
    return true, not self.message.has_data
  end
  local message = self.message
  if not message or not message.object or context ~= message.context then return false end
  message.size = message.size + #content
  if not message.fault then
    local fault = message.object:read(content)
    if fault then self:refuse(fault) end
    local class = message.object.sop_class
    if message.field == C_STORE and class and not storable[class] then
      self:refuse("class", CLASS_NOT_SUPPORTED)
    end
  end
  if last and not message.fault and not message.object:is_whole() then self:refuse("end") end
  return true, last
end

-- Read the fragments of a whole PDU.
function Door:fragments(text)
  local at, ended = 1, false
  while at <= #text do
    if ended or #text - at + 1 < PDV_HEAD then return false end
    local length, context, header = string.unpack(">I4BB", text, at)
    if length < 2 or length + 4 > #text - at + 1 then return false end
    local fine
    fine, ended = self:fragment(context, header, text:sub(at + PDV_HEAD, at + 3 + length))
    if not fine then return false end
    at = at + 4 + length
  end
  return true, ended
end

-- Tell whether a PDU is one fragment of a long value, which may pass as it comes.
function Door:is_bulk(chn, from, length)
  local message = self.message
  local object = message and message.object
  if not object or message.fault or object.opaque or object.skip < BULK then return false end
  local text = chn:data(from + PDU_HEAD, PDV_HEAD)
  if not text or #text < PDV_HEAD then return false end
  local inner, context, header = string.unpack(">I4BB", text)
  return inner == length - 4 and context == message.context and header == 0
    and object.skip >= inner - 2
end

function Door:pass_bulk(length)
  local size = length - PDV_HEAD
  self.message.size = self.message.size + size
  self.message.object:pass(size)
  self.message.passed = true
  self.stream = PDU_HEAD + length
end

-- Read the PDU at a place; return false where the protocol is broken, nil where more must come.
function Door:pdu(chn, there)
  local from = self.seen
  if there - from < PDU_HEAD then return nil end
  local kind, length = string.unpack(">BxI4", chn:data(from, PDU_HEAD))
  if length > longest_pdu then return false end
  if kind == P_DATA and there - from >= PDU_HEAD + PDV_HEAD and self:is_bulk(chn, from, length) then
    self:pass_bulk(length)
    return true
  end
  local size = PDU_HEAD + length
  if there - from < size then return nil end
  self.waited = 0
  if kind == P_DATA then
    if not self.message and self.command == "" then self.start = from end
    local fine, ended = self:fragments(chn:data(from + PDU_HEAD, length))
    if not fine then return false end
    if ended then
      self:finish(chn, from, size)
      return true
    end
  elseif kind == ASSOCIATE_RQ then
    if self.is_associated then return false end
    self.is_associated = true
  elseif kind < RELEASE_RQ or kind > ABORT then
    return false
  end
  self.seen = from + size
  return true
end

-- Decide how much of what has been read may go: nothing of a message in whose head a fault may
-- still be found, unless there is no more room to keep it.
function Door:release(chn)
  local message = self.message
  if message and message.fault then
    -- Drop what has come; the last PDU puts the answer in its place.
    if self.seen > message.start then chn:remove(message.start, self.seen - message.start) end
    self.seen = message.start
    local size = self.seen
    self.seen, message.start = 0, 0
    return size
  end
  local keep = (message or self.command ~= "") and self.start or self.seen
  local object = message and message.object
  if message and (message.passed or self.seen - self.start > room
      or (object and not object.opaque and object.skip >= BULK)) then
    message.passed = true
    keep = self.seen
  end
  local size = keep
  self.seen = self.seen - size
  self.start = 0
  if message then message.start = 0 end
  return size
end

function Door:tcp_payload(txn, chn)
  if chn:is_resp() then return self:answers(txn, chn) end
  local there = chn:input()
  local passed = 0
  while true do
    if self.stream > 0 then
      -- Nothing is kept back where a PDU streams.
      local step = math.min(self.stream, there - self.seen)
      self.stream = self.stream - step
      self.seen = self.seen + step
      if self.stream > 0 then break end
      self.start = self.seen
      if self.message then self.message.start = self.seen end
      self.waited = 0
    end
    local fine = self:pdu(chn, there)
    if fine == false then return txn:done() end
    if fine == nil then break end
    there = chn:input()
  end
  local size = self:release(chn)
  if self:is_slow(self.stream > 0 and 1 or math.max(chn:input() - size - self.seen, 0)) then
    return txn:done()
  end
  return size
end

-- What Orthanc answers ----------------------------------------------------------------------------

function Door:accept(text)
  local at = FIXED_PART + 1 - PDU_HEAD
  while at + 3 <= #text do
    local kind, length = string.unpack(">BxI2", text, at)
    if kind == 0x21 and length >= 4 and text:byte(at + 6) == 0 then
      local size = string.unpack(">I2", text, at + 10)
      self.syntaxes[text:byte(at + 4)] = bare(text:sub(at + 12, at + 11 + size))
    end
    at = at + 4 + length
  end
end

-- Return what goes to the sender instead of a whole PDU of answers; nil for the PDU itself.
function Door:answered(text)
  local head = self.probes[self.first]
  if head == nil or #text < PDV_HEAD then return end
  local length, context, header = string.unpack(">I4BB", text)
  if header ~= 3 or length ~= #text - 4 then return end
  local message = parsed(text:sub(PDV_HEAD + 1), context)
  if not message then return end
  if message.field == C_STORE | RESPONSE then
    for number = self.first, self.last do
      local probe = self.probes[number]
      if probe and not probe.fault and not probe.is_answered then
        probe.is_answered = true
        return
      end
    end
  elseif message.field == C_ECHO | RESPONSE then
    self.probes[self.first] = nil
    self.first = self.first + 1
    if not head then return end
    return head.is_answered and "" or answer(head)
  end
end

function Door:answers(txn, chn)
  local from, there = 0, chn:input()
  while true do
    local step = math.min(self.back, there - from)
    self.back, from = self.back - step, from + step
    if self.back > 0 or there - from < PDU_HEAD then break end
    local kind, length = string.unpack(">BxI4", chn:data(from, PDU_HEAD))
    local size = PDU_HEAD + length
    local waits = kind == P_DATA and self.probes[self.first] ~= nil and length <= LONGEST_COMMAND
    if kind ~= ASSOCIATE_AC and not waits then
      self.back = size
    else
      if size > room then return txn:done() end
      if there - from < size then break end
      local text = chn:data(from + PDU_HEAD, length)
      local instead
      if kind == ASSOCIATE_AC then self:accept(text) else instead = self:answered(text) end
      if instead then
        chn:remove(from, size)
        if #instead > 0 then chn:insert(instead, from) end
        size = #instead
      end
      from = from + size
      there = chn:input()
    end
  end
  return from
end

core.register_filter("dicom", Door, function(door) return door end)
