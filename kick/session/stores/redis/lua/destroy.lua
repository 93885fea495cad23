-- End a session. What is no session of ours goes as well: nobody can read it.
--
-- KEYS  the session

local facts, instead = read(KEYS[1])
if not facts then
  if instead[1] == 'gone' then
    redis.call('DEL', KEYS[1])
  end
  return instead
end
redis.call('DEL', KEYS[1])
return {'ok', facts.entry, facts.principal}
