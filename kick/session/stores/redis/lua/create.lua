-- Make a session; never overwrite one.
--
-- KEYS  the session; with a principal: what revokes its entry
-- ARGV  max_age, absolute_max_age or "-", number of values that follow, name and value of each field;
--       with a principal: entry, until, principal

local fields = tonumber(ARGV[3])
local entry, till, principal = ARGV[4 + fields], ARGV[5 + fields], ARGV[6 + fields]
if redis.call('EXISTS', unpack(KEYS)) > 0 then
  return {'taken'}
end
local now = milliseconds()
local facts = {created = digits(now), issued = digits(now), seen = digits(now), deadline = '-', till = '-', entry = '-',
  principal = ''}
if ARGV[2] ~= '-' then
  facts.deadline = digits(now + ARGV[2])
end
if entry then
  facts.entry, facts.till, facts.principal = entry, till, principal
end
facts.expires = expiry(now, ARGV[1], facts.deadline)
if outlives_entry(facts) then
  return ask_for_entry(facts)
end
write(KEYS[1], facts)
with_arguments('HSET', KEYS[1], ARGV, 4, 3 + fields)
expire(KEYS[1], facts)
return {'ok', facts.expires}
