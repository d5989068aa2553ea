-- The runs that have ended, oldest first.
CREATE TABLE runs (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL UNIQUE,
    owner    TEXT NOT NULL,                 -- whose it was; empty where nobody was logged in
    status   TEXT NOT NULL,                 -- done, failed, cancelled
    finished REAL NOT NULL,                 -- seconds since 1970
    entry    BLOB NOT NULL                  -- JSON: everything that is remembered of it
);
CREATE INDEX runs_of_owner ON runs (owner, position);
-- A run that has ended is not in the queue any more: both change at once, or neither.
CREATE TRIGGER run_leaves_the_queue AFTER INSERT ON runs
BEGIN
    DELETE FROM places WHERE id = NEW.id;
END;
-- The files that runs have made.
CREATE TABLE outputs (
    position  INTEGER PRIMARY KEY,
    run       TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    node      TEXT NOT NULL,
    kind      TEXT NOT NULL,                -- images, audio, ...
    folder    TEXT NOT NULL,                -- output, temp, input
    subfolder TEXT NOT NULL,
    filename  TEXT NOT NULL
);
CREATE INDEX outputs_of_run ON outputs (run);
CREATE INDEX outputs_by_file ON outputs (folder, subfolder, filename);
-- What happened, in the order in which clients were told.
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY,
    time     REAL NOT NULL,                 -- seconds since 1970
    run      TEXT,
    client   TEXT,
    kind     TEXT NOT NULL,                 -- the name of the body's class
    body     BLOB NOT NULL                  -- JSON
);
CREATE INDEX events_of_run ON events (run, sequence) WHERE run IS NOT NULL;
