-- Raw SQL segments that could not be asked about somebody. The flip that asks again goes with it.
CREATE TABLE segment_failures (
    workspace TEXT NOT NULL,
    segment TEXT NOT NULL,
    -- '': everybody, asked about at once.
    user_id TEXT NOT NULL,
    -- The last time, in business time.
    at INTEGER NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (workspace, segment, user_id)
) WITHOUT ROWID;
-- For whoever is erased.
CREATE INDEX segment_failures_workspace_user_id ON segment_failures (workspace, user_id);
