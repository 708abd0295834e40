-- Segments that everybody is held against again: from time to time, or because somebody asked for it.
CREATE TABLE segment_runs (
    workspace TEXT NOT NULL,
    segment TEXT NOT NULL,
    -- Of the segment: whose server does it.
    bucket INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    -- NULL: once.
    every INTEGER NULL,
    -- The last user who was done; '' before the first.
    done_to TEXT NOT NULL,
    -- What it asks has not been asked before.
    fresh INTEGER NOT NULL,
    PRIMARY KEY (workspace, segment)
) WITHOUT ROWID;
CREATE INDEX segment_runs_bucket_due_at ON segment_runs (bucket, due_at);

-- How many users there were in a segment, by business time.
CREATE TABLE segment_sizes (
    workspace TEXT NOT NULL,
    segment TEXT NOT NULL,
    at INTEGER NOT NULL,
    users INTEGER NOT NULL,
    PRIMARY KEY (workspace, segment, at)
) WITHOUT ROWID;
