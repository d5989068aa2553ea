-- Waiting and running jobs. A row goes when its job ends.
CREATE TABLE jobs (
    arrival  INTEGER PRIMARY KEY,   -- order among equal numbers
    id       TEXT NOT NULL UNIQUE,
    number   REAL NOT NULL,         -- lower runs first
    added    REAL NOT NULL,         -- seconds since 1970
    attempts INTEGER NOT NULL,      -- how often it was taken
    client   TEXT,                  -- who asked for it
    work     TEXT NOT NULL          -- JSON: prompt, targets, extra
);
-- The next number to give.
CREATE TABLE counter (next REAL NOT NULL);
INSERT INTO counter VALUES (0);
