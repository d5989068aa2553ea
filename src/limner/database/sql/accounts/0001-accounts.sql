-- Who may use the server. `password` is an argon2 hash; without one a user comes in through a proxy or by a token only.
CREATE TABLE users (
    name     TEXT PRIMARY KEY,
    admin    INTEGER NOT NULL,
    password TEXT,
    created  REAL NOT NULL              -- seconds since 1970
);
-- API tokens; of each only its SHA-256 is kept.
CREATE TABLE tokens (
    id       TEXT PRIMARY KEY,          -- what people call it by
    owner    TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    scope    TEXT NOT NULL,
    digest   BLOB NOT NULL UNIQUE,
    created  REAL NOT NULL
);
-- Browsers that are logged in; of each cookie only its SHA-256 is kept.
CREATE TABLE sessions (
    digest   BLOB PRIMARY KEY,
    owner    TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    expires  REAL NOT NULL              -- seconds since 1970
);
