-- Messages that are `unknown` and that their providers are still to be asked about.
CREATE TABLE lookups (
    message TEXT NOT NULL PRIMARY KEY,
    -- Of its user: whoever has it asks.
    bucket INTEGER NOT NULL,
    -- How often its provider was asked.
    asked INTEGER NOT NULL,
    -- When it is asked next.
    due_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX lookups_due ON lookups (bucket, due_at);
