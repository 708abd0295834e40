-- Events of users who have many, summed up by stretches of time. What is not here is read from `events`.
CREATE TABLE tallies (
    workspace TEXT NOT NULL,
    user_id TEXT NOT NULL,
    -- Of the events.
    name TEXT NOT NULL,
    -- What is kept of them.
    layout INTEGER NOT NULL,
    starts INTEGER NOT NULL,
    -- Not included.
    ends INTEGER NOT NULL,
    events INTEGER NOT NULL,
    -- Of the project that asked for it.
    generation INTEGER NOT NULL,
    -- Postcard.
    tallies BLOB NOT NULL,
    one_by_one BLOB NOT NULL,
    PRIMARY KEY (workspace, user_id, name, layout, starts)
) WITHOUT ROWID;

-- Of the events that occurred before it, some may be in `tallies`.
ALTER TABLE users ADD COLUMN tallied_to INTEGER NULL;

-- By bucket: the generation that all its users have been held against.
CREATE TABLE settled (
    workspace TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    PRIMARY KEY (workspace, bucket)
) WITHOUT ROWID;
-- Every push would rewrite all of it.
DROP INDEX users_bucket_workspace_evaluated;
