-- KEYS: the counter. ARGV: what to add, when a new one may go or ''.
local is_new = redis.call('EXISTS', KEYS[1]) == 0
local total = redis.call('INCRBY', KEYS[1], ARGV[1])
if is_new and ARGV[2] ~= '' then
  redis.call('PEXPIREAT', KEYS[1], goes(ARGV[2], 0))
end
return total
