-- Free the entries of a set that have lapsed; how many.
--
-- KEYS  an index, or the entries of one that are being revoked

local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
return redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. now)
