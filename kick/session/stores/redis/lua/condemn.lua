-- Set all entries of a principal aside, to be revoked; all but those of the session to keep. The answer is all that are set aside.
--
-- KEYS  the index, the entries that are being revoked
-- ARGV  the key of the session to keep, or ""

local function give(from, to, entry, score)
  redis.call('ZADD', to, score, entry) -- first, since it may fail for want of memory
  redis.call('ZREM', from, entry)
end

local function is_kept(entry)
  return ARGV[1] ~= '' and string.match(entry, '^[^ ]+ (.*)$') == ARGV[1]
end

local lasts = math.max(redis.call('PTTL', KEYS[1]), redis.call('PTTL', KEYS[2]))
local condemned = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
local entries = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for at = 1, #entries, 2 do
  if not is_kept(entries[at]) then
    give(KEYS[1], KEYS[2], entries[at], entries[at + 1])
  end
end
for at = 1, #condemned, 2 do -- left by a revocation that was interrupted
  if is_kept(condemned[at]) then
    give(KEYS[2], KEYS[1], condemned[at], condemned[at + 1])
  end
end
if lasts > 0 then
  redis.call('PEXPIRE', KEYS[1], lasts)
  redis.call('PEXPIRE', KEYS[2], lasts)
end
return redis.call('ZRANGE', KEYS[2], 0, -1)
