-- KEYS: an owner's lex and expiry. ARGV: the record's key, when the entry may go or ''.
hint(KEYS[1], KEYS[2], ARGV[1], ARGV[2])
return 1
