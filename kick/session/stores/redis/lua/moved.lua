-- What a script begins with while a test has moved the clock of the process; see kick/clock.py.
--
-- The clock of the server cannot be moved. So the script sees another one: TIME is ahead by SHIFT milliseconds, or always
-- NOW, and what would have expired by then is deleted. Redis keeps keys by its own clock, so they get SHIFT more.

local server = redis
local redis = {pcall = server.pcall}

local function settled(key)
  local left = server.call('PTTL', key)
  if left >= 0 and left <= SHIFT then
    server.call('DEL', key)
  end
end

function redis.call(command, ...)
  local given = {...}
  if command == 'TIME' then
    local time = server.call('TIME')
    local now = NOW or time[1] * 1000 + math.floor(time[2] / 1000) + SHIFT
    return {string.format('%.0f', math.floor(now / 1000)), string.format('%.0f', now % 1000 * 1000)}
  elseif command == 'PTTL' then
    local left = server.call('PTTL', given[1])
    return left < 0 and left or left - SHIFT
  elseif command == 'PEXPIREAT' then
    given[2] = string.format('%.0f', given[2] - math.min(SHIFT, 0)) -- else a clock that is behind would end it at once
  elseif command == 'PEXPIRE' then
    given[2] = string.format('%.0f', given[2] + math.max(SHIFT, 0))
  elseif command == 'SET' and given[3] == 'PX' then
    given[4] = string.format('%.0f', given[4] + math.max(SHIFT, 0))
  end
  return server.call(command, unpack(given))
end

for _, key in ipairs(KEYS) do
  settled(key)
end
