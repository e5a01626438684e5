-- This server's time in seconds, asked for once.
local asked
local function seconds()
  asked = asked or tonumber(redis.call('TIME')[1])
  return asked
end

-- When what is written now may go, of when it should or '': by this server's clock never sooner than a day and `later` seconds from
-- now. Where that clock is far ahead of the app's, it would be gone at once, and every limit with it.
local function goes(at, later)
  if at == '' then
    return at
  end
  local soonest = (seconds() + 86400 + later) * 1000
  return string.format('%.0f', math.max(tonumber(at), soonest))
end

