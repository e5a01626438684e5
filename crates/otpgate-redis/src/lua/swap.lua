-- KEYS: the record; its owner's lex and expiry where they are on this server. ARGV: the revision that is expected or '' for none,
-- the record to put or '' for none, when it may go or '', the record's key, when its entry may go or ''.
if redis.call('GETRANGE', KEYS[1], 0, 15) ~= ARGV[1] then
  return 0
end
if KEYS[2] then
  hint(KEYS[2], KEYS[3], ARGV[4], ARGV[5])
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
elseif ARGV[3] == '' then
  redis.call('SET', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PXAT', goes(ARGV[3], 0))
end
return 1
