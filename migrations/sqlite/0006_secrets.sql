-- Secrets by name, sealed with a key that only the servers have.
CREATE TABLE secrets (
    workspace TEXT NOT NULL,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (workspace, name)
) WITHOUT ROWID;
