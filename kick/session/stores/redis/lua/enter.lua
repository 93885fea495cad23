-- Enter a session into the index of a principal, or keep its entry there for longer.
--
-- The index is a sorted set of entries, each the name of the entry, a space and the key of the session, with the time
-- until which it is kept: one max_age more than the session can live, so that not every commit has to come here, and
-- then as much as the clocks of two servers may differ.
--
-- KEYS  the index, the entries that are being revoked
-- ARGV  entry, the entry it takes the place of or "", max_age, the time the session will expire or "0"

local CLOCKS_DIFFER = 60000

if redis.call('ZSCORE', KEYS[2], ARGV[2]) then
  return false
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local till = math.max(now + ARGV[3], tonumber(ARGV[4])) + ARGV[3]
local kept = till + CLOCKS_DIFFER
redis.call('ZADD', KEYS[1], 'GT', string.format('%.0f', kept), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', now))
if redis.call('PTTL', KEYS[1]) < kept - now then
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', kept))
end
return string.format('%.0f', till)
