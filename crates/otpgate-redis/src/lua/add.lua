-- KEYS: the counter. ARGV: what to add, when a new one may go or ''.
local total = redis.call('INCRBY', KEYS[1], ARGV[1])
-- What is added is never nothing: the total is no more than that where there was none.
if total == tonumber(ARGV[1]) and ARGV[2] ~= '' then
  redis.call('PEXPIREAT', KEYS[1], goes(ARGV[2], 0))
end
return total
