-- What stands between session.lua and commit.lua for a commit that compares first.
--
-- ARGV  number of fields to compare; name, "=" and value of each, or name, "-" and "" of one that must not be there;
--       then the arguments of commit.lua, which finds them where it always does

local function compare(given)
  local facts, instead = read(KEYS[1])
  if not facts then
    return nil, instead
  end
  local rest = 2 + 3 * given[1]
  for at = 2, rest - 1, 3 do
    local held = redis.call('HGET', KEYS[1], given[at])
    if given[at + 1] == '-' and held or given[at + 1] == '=' and held ~= given[at + 2] then
      return nil, {'changed'}
    end
  end
  local arguments = {}
  for at = rest, #given do
    arguments[#arguments + 1] = given[at]
  end
  return arguments
end

local ARGV, refused = compare(ARGV)
if refused then
  return refused
end
