-- End a session if it is a principal's. If it is not, refuse to give it to the principal by an entry from before.
--
-- KEYS  the session, what revokes the entry
-- ARGV  principal, for how long an entry stays revoked

local facts, instead = read(KEYS[1])
if facts and facts.entry ~= '-' and facts.principal == ARGV[1] then
  redis.call('DEL', KEYS[1])
  return 1
end
if facts or instead[1] == 'gone' then
  redis.call('SET', KEYS[2], '', 'PX', ARGV[2])
end
return 0
