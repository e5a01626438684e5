-- The app's own tables. otpgate knows nothing of them; `src/users.rs` does.

CREATE TABLE IF NOT EXISTS tenants (
    name text COLLATE "C" PRIMARY KEY
);

CREATE TABLE IF NOT EXISTS users (
    id             uuid PRIMARY KEY,
    tenant         text COLLATE "C" NOT NULL REFERENCES tenants (name),
    -- As its owner writes it: mail goes there.
    email          text NOT NULL,
    -- As `Identifier::email` spells it: this is what is compared, byte by byte (COLLATE "C"), and what is unique.
    email_key      text COLLATE "C" NOT NULL,
    name           text NOT NULL DEFAULT '',
    roles          text[] NOT NULL DEFAULT '{}',
    locale         text,
    email_verified boolean NOT NULL DEFAULT false,
    disabled       boolean NOT NULL DEFAULT false,
    -- A PHC string, `$argon2id$..`; without one, the user has no password.
    password_hash  text COLLATE "C",
    created_at     timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant, email_key)
);
