-- KEYS: a record. ARGV: what its head says where it is the owner's.
if redis.call('GETRANGE', KEYS[1], 24, 56) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
