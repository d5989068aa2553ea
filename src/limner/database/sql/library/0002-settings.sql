-- The editor's settings of each profile.
CREATE TABLE settings (
    profile  TEXT NOT NULL,                 -- `default`, `profiles/ann`, ...
    name     TEXT NOT NULL,
    value    TEXT NOT NULL,                 -- JSON
    PRIMARY KEY (profile, name)
);
-- The profiles that have settings here; those of any other are in the file of an earlier version.
CREATE TABLE profiles (
    profile  TEXT PRIMARY KEY,
    since    REAL NOT NULL                  -- seconds since 1970
);
