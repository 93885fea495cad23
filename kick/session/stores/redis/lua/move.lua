-- Carry a session over to another key, and leave a marker behind.
--
-- KEYS  the old key, the new key; with a principal: what revokes the entry of the new key
-- ARGV  max_age, grace, mark (see session.lua), a new deadline (milliseconds from now, or ""), "all" or the number of
--       names that follow, names of the fields that go along; when a principal goes along: its entry for the old key,
--       that for the new key, until

local facts, instead = read(KEYS[1])
if not facts then
  return instead
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  return {'taken'}
end
local former = facts.entry ~= '-' and {facts.entry, facts.principal} or {}
local now = milliseconds()
facts.issued, facts.seen = digits(now), digits(now)
if ARGV[4] ~= '' then
  facts.deadline = digits(now + ARGV[4])
end
facts.expires = expiry(now, ARGV[1], facts.deadline)

if ARGV[5] == 'all' then
  if facts.entry ~= '-' then
    if facts.entry ~= ARGV[6] or tonumber(facts.expires) > tonumber(ARGV[8]) then
      return ask_for_entry(facts)
    end
    if redis.call('EXISTS', KEYS[3]) == 1 then
      redis.call('DEL', KEYS[1])
      return {'gone'}
    end
    facts.entry, facts.till = ARGV[7], ARGV[8]
  end
  write(KEYS[1], facts)
  redis.call('RENAME', KEYS[1], KEYS[2])
else
  facts.entry, facts.till, facts.principal = '-', '-', ''
  local kept = {}
  for at = 6, 5 + ARGV[5] do
    kept[ARGV[at]] = redis.call('HGET', KEYS[1], ARGV[at]) or nil
  end
  write(KEYS[2], facts)
  for name, value in pairs(kept) do
    redis.call('HSET', KEYS[2], name, value)
  end
  redis.call('DEL', KEYS[1])
end
if tonumber(ARGV[2]) > 0 then
  redis.call('HSET', KEYS[1], FACTS, ARGV[3])
  redis.call('PEXPIREAT', KEYS[1], digits(now + ARGV[2]))
end
expire(KEYS[2], facts)
return {'ok', facts.expires, former}
