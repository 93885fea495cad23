-- Change a session: all of it, or nothing.
--
-- KEYS  the session; when it is given to a principal: what revokes its entry
-- ARGV  max_age, number of values to set, to delete and to increment by; name and value of each field to set,
--       name of each to delete, name and step of each to increment; then, if there is something to say of the principal:
--       "give", entry, until, principal   or   "leave"   or   "keep", entry, until

local facts, instead = read(KEYS[1])
if not facts then
  return instead
end
local set_from, delete_from = 5, 5 + ARGV[2]
local count_from = delete_from + ARGV[3]
local principal_from = count_from + ARGV[4]

local former = facts.entry ~= '-' and {facts.entry, facts.principal} or {}
local wish, entry, till = ARGV[principal_from], ARGV[principal_from + 1], ARGV[principal_from + 2]
if wish == 'give' then
  if redis.call('EXISTS', KEYS[2]) == 1 then
    redis.call('DEL', KEYS[1])
    return {'gone'}
  end
  facts.entry, facts.till, facts.principal = entry, till, ARGV[principal_from + 3]
elseif wish == 'leave' then
  facts.entry, facts.till, facts.principal = '-', '-', ''
else
  former = {}
  if wish == 'keep' and entry == facts.entry then
    facts.till = till
  end
end

local now = milliseconds()
facts.seen = digits(now)
facts.expires = expiry(now, ARGV[1], facts.deadline)
if outlives_entry(facts) then
  return ask_for_entry(facts)
end

-- Counters come first, because HINCRBY is what knows exactly which of them can be counted; if one cannot, they are put back.
local before, counted = {}, {}
if principal_from > count_from then
  local start = {}
  for at = delete_from, count_from - 1 do
    start[ARGV[at]] = '0'
  end
  for at = set_from, delete_from - 1, 2 do
    start[ARGV[at]] = ARGV[at + 1]
  end
  for at = count_from, principal_from - 1, 2 do
    local name = ARGV[at]
    if before[name] == nil then
      before[name] = redis.call('HGET', KEYS[1], name)
      if start[name] then
        redis.call('HSET', KEYS[1], name, start[name])
      end
    end
    local sum = redis.pcall('HINCRBY', KEYS[1], name, ARGV[at + 1])
    if type(sum) == 'table' then -- an error
      for each, value in pairs(before) do
        if value then
          redis.call('HSET', KEYS[1], each, value)
        else
          redis.call('HDEL', KEYS[1], each)
        end
      end
      if string.find(sum.err, 'integer') or string.find(sum.err, 'overflow') then
        return {'not a counter'}
      end
      return sum
    end
  end
  for at = count_from, principal_from - 1, 2 do
    counted[#counted + 1] = redis.call('HGET', KEYS[1], ARGV[at]) -- as text: a number in Lua has 53 bits
  end
end

write(KEYS[1], facts)
if next(before) == nil then
  with_arguments('HDEL', KEYS[1], ARGV, delete_from, count_from - 1)
  with_arguments('HSET', KEYS[1], ARGV, set_from, delete_from - 1)
else
  for at = delete_from, count_from - 1 do
    if before[ARGV[at]] == nil then
      redis.call('HDEL', KEYS[1], ARGV[at])
    end
  end
  for at = set_from, delete_from - 1, 2 do
    if before[ARGV[at]] == nil then
      redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
    end
  end
end
expire(KEYS[1], facts)
return {'ok', facts.expires, counted, former}
