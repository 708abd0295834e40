-- When messages of campaigns were handed over, by user: what frequency caps count.
CREATE TABLE sendings (
    workspace TEXT NOT NULL,
    user_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (workspace, user_id, at, message)
) WITHOUT ROWID;
-- From when on all of them are there; NULL: they are not noted, because no cap asks for them.
ALTER TABLE workspaces ADD COLUMN sendings_since INTEGER NULL;

-- How many messages of a campaign went out on a day, which is known by when it ends.
CREATE TABLE campaign_days (
    workspace TEXT NOT NULL,
    campaign TEXT NOT NULL,
    ends_at INTEGER NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (workspace, campaign, ends_at)
) WITHOUT ROWID;
