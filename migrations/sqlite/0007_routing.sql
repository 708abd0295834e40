-- The provider that could not take a message when it was tried last, where others may.
ALTER TABLE messages ADD COLUMN shuns TEXT NULL;
-- Messages that may leave by the same providers, as long as they wait: those who cannot leave stand in nobody's way.
ALTER TABLE messages ADD COLUMN lane TEXT GENERATED ALWAYS AS (
    CASE WHEN due_at IS NULL THEN NULL ELSE
        CASE WHEN transaction_id IS NULL THEN 'c|' ELSE 't|' END || workspace
        || CASE WHEN keyed_by IS NOT NULL THEN '|=' || keyed_by WHEN shuns IS NOT NULL THEN '|!' || shuns ELSE '' END
    END
) VIRTUAL;
DROP INDEX messages_bucket_due_at;
CREATE INDEX messages_lane_bucket_due_at ON messages (lane, bucket, due_at) WHERE lane IS NOT NULL;

-- What all servers know about a provider. Times are the database's, or the virtual clock's.
CREATE TABLE providers (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    -- closed, open, half_open: whether it is asked.
    breaker TEXT NOT NULL,
    -- Not before this; of a half open one: its message is not waited for any longer.
    until INTEGER NOT NULL,
    -- How often it was opened in a row.
    times INTEGER NOT NULL,
    -- Since when it is not closed, and why.
    since INTEGER NULL,
    why TEXT NULL,
    -- A few bits of what it was made of when it was opened: with other secrets it is tried at once.
    made_of TEXT NULL,
    -- Counts the changes of all that is above.
    version INTEGER NOT NULL,
    -- Why it cannot be made at all.
    unusable TEXT NULL,
    -- From when on the next of its messages per second may be leased, in microseconds.
    next_at INTEGER NOT NULL,
    -- What it says of itself, and when it was asked.
    told_per_second INTEGER NULL,
    told_per_day INTEGER NULL,
    told_at INTEGER NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

-- What was leased of a daily allowance, by the hour.
CREATE TABLE provider_hours (
    workspace TEXT NOT NULL,
    provider TEXT NOT NULL,
    hour INTEGER NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (workspace, provider, hour)
) WITHOUT ROWID;
