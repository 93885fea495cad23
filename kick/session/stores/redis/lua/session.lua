-- What every script about a session begins with.
--
-- A session is one hash. Its fields are the session's, as they are. One more, whose name no session can use because it
-- is not UTF-8, holds the facts about it, in this order:
--
--     created issued seen expires deadline until entry principal
--
-- Times are milliseconds by the clock of this server: `created` since 1970, the others since `created`, after a "+". So
-- the facts of most sessions take less than 64 bytes, and Redis keeps the hash in its compact form. "-" stands for what
-- there is not. `entry` is the name of the
-- session's entry in the index of its principal, and `until` how long that entry is kept there (see enter.lua).
--
-- A session that moved away leaves a hash with the facts alone: ">" and the successor, or "!" when there is none.
--
-- Redis undoes nothing when a script fails half-way, and a script may fail because there is no memory: then the first
-- command that needs some does. So what needs memory (HSET, ZADD, SET) comes before what takes away (HDEL, DEL, RENAME).

local FACTS = '\255'
local FORM = '^(%d+) (%+?%d+) (%+?%d+) (%+?%d+) (%+?%-?%d*) (%+?%-?%d*) (%S+) (.*)$'
local TIMES = {'issued', 'seen', 'expires', 'deadline', 'till'}
local AT_ONCE = 2000 -- as many values as one command may well take

local function milliseconds()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function digits(number)
  return string.format('%.0f', number) -- tostring() rounds to 14 digits
end

-- The facts about the session at a key; nil, and what to answer instead, when there is none.
local function read(key)
  local text = redis.pcall('HGET', key, FACTS)
  if type(text) == 'table' and not string.find(text.err, 'WRONGTYPE', 1, true) then
    text = redis.call('HGET', key, FACTS) -- which raises the error
  end
  if type(text) ~= 'string' then -- there is none, or it is not a hash
    return nil, {'gone'}
  end
  local mark = string.sub(text, 1, 1)
  if mark == '>' or mark == '!' then
    return nil, {'moved', text}
  end
  local facts = {}
  facts.created, facts.issued, facts.seen, facts.expires, facts.deadline, facts.till, facts.entry, facts.principal =
    string.match(text, FORM)
  if not facts.created then -- damaged: it is ignored
    return nil, {'gone'}
  end
  for _, name in ipairs(TIMES) do
    if string.sub(facts[name], 1, 1) == '+' then
      facts[name] = digits(facts.created + string.sub(facts[name], 2))
    end
  end
  return facts
end

-- A server that takes over may have a clock that is behind: then nothing is earlier than the beginning.
local function write(key, facts)
  local since = {}
  for _, name in ipairs(TIMES) do
    since[name] = facts[name] == '-' and '-' or '+' .. digits(math.max(0, facts[name] - facts.created))
  end
  local text = table.concat({facts.created, since.issued, since.seen, since.expires, since.deadline, since.till,
    facts.entry, facts.principal}, ' ')
  redis.call('HSET', key, FACTS, text)
end

-- Have Redis forget a session in time. Comes last: it ends the session at once when its time is over already.
local function expire(key, facts)
  redis.call('PEXPIREAT', key, facts.expires)
end

local function expiry(now, max_age, deadline)
  local expires = now + max_age
  if deadline ~= '-' and tonumber(deadline) < expires then
    return deadline
  end
  return digits(expires)
end

-- Whether the index would forget the session before it expires. Then nothing may be written yet.
local function outlives_entry(facts)
  return facts.entry ~= '-' and tonumber(facts.expires) > tonumber(facts.till)
end

local function ask_for_entry(facts)
  return {'index', facts.entry, facts.principal, facts.expires}
end

-- Run a command on a key with some of the arguments, from `first` to `last`, a part at a time.
local function with_arguments(command, key, arguments, first, last)
  for start = first, last, AT_ONCE do
    redis.call(command, key, unpack(arguments, start, math.min(start + AT_ONCE - 1, last)))
  end
end
