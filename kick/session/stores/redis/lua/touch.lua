-- Let a session expire later, never sooner.
--
-- KEYS  the session
-- ARGV  max_age; when the index was asked to keep it longer: entry, until

local facts, instead = read(KEYS[1])
if not facts then
  return instead
end
if ARGV[2] == facts.entry then
  facts.till = ARGV[3]
end
local now = milliseconds()
local expires = expiry(now, ARGV[1], facts.deadline)
if tonumber(expires) > tonumber(facts.expires) then
  facts.expires = expires
end
if outlives_entry(facts) then
  return ask_for_entry(facts)
end
facts.seen = digits(now)
write(KEYS[1], facts)
expire(KEYS[1], facts)
return {'ok'}
