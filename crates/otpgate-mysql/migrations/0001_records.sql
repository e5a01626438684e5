-- otpgate 0.1, for MariaDB 10.11 and MySQL 8; the prefix `otpgate_` is replaced when the store has a namespace of its own. Each
-- statement can be run again: DDL has no transactions here.
-- Binary columns: no collation merges two keys. BIGINT times: milliseconds since 1970, written by the library and never by the
-- server's clock. MEDIUMBLOB: a BLOB ends one byte short of 64 KiB.

CREATE TABLE IF NOT EXISTS otpgate_schema (
    version INT NOT NULL PRIMARY KEY
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS otpgate_records (
    id         BINARY(32) NOT NULL PRIMARY KEY,
    revision   BINARY(16) NOT NULL,
    expires_at BIGINT     NOT NULL,
    owner      BINARY(32) NULL,
    value      MEDIUMBLOB NOT NULL,
    KEY otpgate_records_owner (owner, id),
    KEY otpgate_records_expires (expires_at)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS otpgate_counters (
    id         BINARY(32)      NOT NULL PRIMARY KEY,
    total      BIGINT UNSIGNED NOT NULL,
    expires_at BIGINT          NOT NULL,
    KEY otpgate_counters_expires (expires_at)
) ENGINE = InnoDB;

INSERT IGNORE INTO otpgate_schema (version) VALUES (1);
