-- Workflows that are kept as endpoints: every version of each.
CREATE TABLE workflows (
    owner    TEXT NOT NULL,                 -- whose it is; empty where nobody was logged in
    name     TEXT NOT NULL,
    version  INTEGER NOT NULL,
    shared   INTEGER NOT NULL,              -- whether everyone may run it
    created  REAL NOT NULL,                 -- seconds since 1970
    content  BLOB NOT NULL,                 -- JSON: prompt, chosen inputs and outputs, ...
    PRIMARY KEY (owner, name, version)
);
-- Jobs that were queued together.
CREATE TABLE batches (
    id       TEXT PRIMARY KEY,
    owner    TEXT NOT NULL,
    created  REAL NOT NULL,
    ready    INTEGER NOT NULL,              -- whether all of its jobs are in the queue
    content  BLOB NOT NULL                  -- JSON: name, workflow, ...
);
CREATE INDEX batches_of_owner ON batches (owner, created);
CREATE TABLE batch_jobs (
    batch    TEXT NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    place    INTEGER NOT NULL,              -- from 0
    job      TEXT NOT NULL,
    given    BLOB NOT NULL,                 -- JSON: the values that set it apart
    state    TEXT NOT NULL,                 -- how it ended; empty before
    PRIMARY KEY (batch, place)
);
-- What the files that are listed as assets hold, and what was said of them.
CREATE TABLE asset_hashes (
    path     TEXT PRIMARY KEY,
    size     INTEGER NOT NULL,
    changed  INTEGER NOT NULL,              -- nanoseconds since 1970: the file is read again when either differs
    hash     TEXT NOT NULL                  -- blake3:<hex>
);
CREATE INDEX asset_hashes_by_hash ON asset_hashes (hash);
CREATE TABLE asset_notes (
    owner    TEXT NOT NULL,
    asset    TEXT NOT NULL,
    note     BLOB NOT NULL,                 -- JSON: name, tags, user_metadata, preview_id
    PRIMARY KEY (owner, asset)
);
