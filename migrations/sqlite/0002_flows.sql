-- What flows wait for outside, what they reach, and journals that begin anew.

-- What is neither an event nor a change of attributes: an answer, somebody asked to enter or leave. JSON.
ALTER TABLE inbox ADD COLUMN body TEXT NULL;

-- By campaign: what it did with those who were in it. JSON.
ALTER TABLE deployments ADD COLUMN in_flight TEXT NULL;

-- When this journal began; started_at is when the user entered.
ALTER TABLE enrollments ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
-- What the journal before handed on to this one. JSON.
ALTER TABLE enrollments ADD COLUMN state TEXT NULL;
-- The value for which the user entered, in a campaign with one entry for each.
ALTER TABLE enrollments ADD COLUMN entry_key TEXT NULL;
ALTER TABLE enrollments ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0;
-- The size of the journal, with its chunks.
ALTER TABLE enrollments ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
-- The first chunk of this journal.
ALTER TABLE enrollments ADD COLUMN first_chunk INTEGER NOT NULL DEFAULT 0;
UPDATE enrollments SET since = started_at, pending = CAST(pending AS BLOB);

-- HTTP requests that flows wait for the answers to.
CREATE TABLE webhooks (
    enrollment TEXT NOT NULL,
    op INTEGER NOT NULL,
    workspace TEXT NOT NULL,
    user_id TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    campaign TEXT NOT NULL,
    -- JSON.
    request TEXT NOT NULL,
    -- pending, answered, failed, cancelled
    status TEXT NOT NULL,
    reason TEXT NULL,
    attempt INTEGER NOT NULL,
    -- When it is tried next, also while it is being tried: whoever dies in the middle leaves it to be tried again.
    due_at INTEGER NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (enrollment, op)
) WITHOUT ROWID;
CREATE INDEX webhooks_bucket_due_at ON webhooks (bucket, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhooks_workspace_user_id ON webhooks (workspace, user_id);

-- What flows wait for people to do.
CREATE TABLE tasks (
    id TEXT NOT NULL PRIMARY KEY,
    enrollment TEXT NOT NULL,
    op INTEGER NOT NULL,
    workspace TEXT NOT NULL,
    user_id TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    campaign TEXT NOT NULL,
    title TEXT NOT NULL,
    assignee TEXT NULL,
    due_at INTEGER NULL,
    -- open, done, cancelled
    status TEXT NOT NULL,
    -- JSON.
    result TEXT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (enrollment, op)
) WITHOUT ROWID;
CREATE INDEX tasks_workspace_status_created_at_id ON tasks (workspace, status, created_at, id);
CREATE INDEX tasks_workspace_user_id ON tasks (workspace, user_id);

-- Goals that were reached and arms that were chosen, to be counted.
CREATE TABLE marks (
    enrollment TEXT NOT NULL,
    op INTEGER NOT NULL,
    workspace TEXT NOT NULL,
    campaign TEXT NOT NULL,
    -- goal, arm
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    arm TEXT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (enrollment, op)
) WITHOUT ROWID;
CREATE INDEX marks_workspace_campaign_kind_name ON marks (workspace, campaign, kind, name);
