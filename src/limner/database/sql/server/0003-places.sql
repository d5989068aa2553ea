-- Where a job stands is apart from what it is to do, so that a long queue is read at the start without its workflows.
CREATE TABLE places (
    arrival  INTEGER PRIMARY KEY,           -- order among equal numbers
    id       TEXT NOT NULL UNIQUE,
    priority INTEGER NOT NULL,              -- higher runs first
    number   REAL NOT NULL,                 -- of one priority, lower runs first
    owner    TEXT NOT NULL,                 -- whose it is; empty where nobody was logged in
    client   TEXT,                          -- who asked for it
    added    REAL NOT NULL,                 -- seconds since 1970
    attempts INTEGER NOT NULL,              -- how often it was taken
    state    TEXT NOT NULL,                 -- waiting, running, paused
    lost     INTEGER NOT NULL,              -- whether its server died while it ran
    marked   INTEGER NOT NULL               -- whether somebody looks for it after a restart
);
CREATE TABLE works (
    arrival  INTEGER PRIMARY KEY REFERENCES places (arrival) ON DELETE CASCADE,
    work     TEXT NOT NULL                  -- JSON: prompt, targets, extra
);
INSERT INTO places
SELECT
    arrival, id, priority, number,
    CASE WHEN json_valid(work) THEN coalesce(json_extract(work, '$.extra.limner_owner'), '') ELSE '' END,
    client, added, attempts,
    CASE WHEN paused THEN 'paused' ELSE 'waiting' END,
    attempts > 0 AND NOT paused,
    CASE WHEN json_valid(work) THEN json_extract(work, '$.extra.webhook') IS NOT NULL ELSE 1 END
FROM jobs;
INSERT INTO works SELECT arrival, work FROM jobs;
DROP TABLE jobs;
-- Whether the queue as a whole is paused.
ALTER TABLE counter ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
