-- otpgate 0.1. Run once, in one transaction; the prefix `otpgate_` is replaced when the store has a namespace of its own.
-- BYTEA columns: no collation merges two keys. BIGINT times: milliseconds since 1970, written by the library and never by the
-- server's clock.

CREATE TABLE otpgate_schema (
    version INTEGER NOT NULL PRIMARY KEY
);

CREATE TABLE otpgate_records (
    key        BYTEA  NOT NULL PRIMARY KEY CHECK (octet_length(key) = 32),
    revision   BYTEA  NOT NULL CHECK (octet_length(revision) = 16),
    expires_at BIGINT NOT NULL,
    owner      BYTEA  CHECK (octet_length(owner) = 32),
    value      BYTEA  NOT NULL CHECK (octet_length(value) <= 65536)
);

-- Records are rewritten often: room on the page lets a new version stay where the old one was.
ALTER TABLE otpgate_records SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX otpgate_records_owner ON otpgate_records (owner, key) WHERE owner IS NOT NULL;
CREATE INDEX otpgate_records_expires ON otpgate_records (expires_at);

CREATE TABLE otpgate_counters (
    key        BYTEA  NOT NULL PRIMARY KEY CHECK (octet_length(key) = 32),
    total      BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

ALTER TABLE otpgate_counters SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX otpgate_counters_expires ON otpgate_counters (expires_at);

INSERT INTO otpgate_schema (version) VALUES (1);
