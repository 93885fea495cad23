-- Take a session over from connect-redis.
--
-- KEYS  the session, the mark that says it was taken over, the record of connect-redis
-- ARGV  the record as it was read, max_age for one that has no end, absolute_max_age or "-", how long the mark is kept
--       at least, number of values that follow, name and value of each field
--
-- The mark keeps what has ended from coming back: an Express that had read its record before writes it again after.

local life = redis.call('PTTL', KEYS[3])
if redis.call('GET', KEYS[3]) ~= ARGV[1] then
  return {'changed'}
end
if redis.call('EXISTS', KEYS[1], KEYS[2]) > 0 then
  redis.call('DEL', KEYS[3])
  return {'taken'}
end
if life < 0 then
  life = tonumber(ARGV[2])
end
local now = milliseconds()
local facts = {created = digits(now), issued = digits(now), seen = digits(now), deadline = '-', till = '-', entry = '-',
  principal = ''}
if ARGV[3] ~= '-' then
  facts.deadline = digits(now + ARGV[3])
end
facts.expires = expiry(now, life, facts.deadline)
write(KEYS[1], facts)
with_arguments('HSET', KEYS[1], ARGV, 6, 5 + ARGV[5])
redis.call('SET', KEYS[2], '', 'PX', digits(math.max(life, ARGV[4])))
redis.call('DEL', KEYS[3])
expire(KEYS[1], facts)
return {'ok'}
