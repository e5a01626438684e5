-- An owner's index: KEYS lex (members in the order of their bytes) and expiry (the same members by when they may go). An entry is
-- a hint: it may name a record that is not there, and none is there without one. An entry goes when its record is gone for
-- certain: the record expires, by this server's clock, before its entry does, and an entry's time is only ever put off.
local function hint(lex, expiry, member, goes_at)
  goes_at = goes(goes_at, 60)
  redis.call('ZADD', lex, 0, member)
  if goes_at == '' then
    redis.call('ZADD', expiry, '+inf', member)
  else
    redis.call('ZADD', expiry, 'GT', goes_at, member)
  end
  local gone = redis.call('ZRANGEBYSCORE', expiry, '-inf', '(' .. seconds() .. '000', 'LIMIT', 0, 32)
  if #gone > 0 then
    redis.call('ZREM', lex, unpack(gone))
    redis.call('ZREM', expiry, unpack(gone))
  end
  local last = redis.call('ZRANGE', expiry, -1, -1, 'WITHSCORES')[2]
  if last == 'inf' then
    redis.call('PERSIST', lex)
    redis.call('PERSIST', expiry)
  elseif last then
    redis.call('PEXPIREAT', lex, last)
    redis.call('PEXPIREAT', expiry, last)
  end
end
