-- The prefix `otpgate_` is replaced when the store has a namespace of its own.
-- BLOB columns: no collation and no numeric affinity merges two keys. STRICT: a wrong type is an error, not a guess.
-- Tables with a rowid: rows of some hundred bytes are appended to few pages, and only the narrow indexes are written at random.

CREATE TABLE otpgate_schema (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;

CREATE TABLE otpgate_records (
    key        BLOB    NOT NULL UNIQUE CHECK (length(key) = 32),
    revision   BLOB    NOT NULL CHECK (length(revision) = 16),
    expires_at INTEGER NOT NULL,
    owner      BLOB    CHECK (length(owner) = 32),
    value      BLOB    NOT NULL CHECK (length(value) <= 65536)
) STRICT;

CREATE INDEX otpgate_records_owner ON otpgate_records (owner, key) WHERE owner IS NOT NULL;
CREATE INDEX otpgate_records_expires ON otpgate_records (expires_at);

CREATE TABLE otpgate_counters (
    key        BLOB    NOT NULL PRIMARY KEY CHECK (length(key) = 32),
    total      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX otpgate_counters_expires ON otpgate_counters (expires_at);

INSERT INTO otpgate_schema (id, version) VALUES (1, 1);
