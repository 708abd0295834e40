-- Whom nobody wants to be written to, and about what. One row for each address that a message was ever about to go to: what changes it, and
-- what sends, lock it.
CREATE TABLE addresses (
    workspace TEXT NOT NULL,
    -- HMAC of the address: what is known of it outlives the person.
    hash BLOB NOT NULL,
    -- The address itself, where something is known of it; gone when the person is erased.
    address TEXT NULL,
    -- bounce, soft_bounces, complaint, manual: nothing is sent to it.
    blocked TEXT NULL,
    blocked_at INTEGER NULL,
    -- Only transactions are sent to it.
    unsubscribed_at INTEGER NULL,
    -- What its reader said, by topic. JSON.
    topics TEXT NULL,
    -- Bounces that may pass, each with its message. JSON.
    soft_bounces TEXT NULL,
    PRIMARY KEY (workspace, hash)
) WITHOUT ROWID;

-- What addresses are hashed with. Made once, when it is first needed: with another one all that is known would be lost.
ALTER TABLE workspaces ADD COLUMN address_key BLOB NULL;

-- What the links in emails are signed with. Not a secret of the environment: emails that were sent lead here for years, after every move and
-- every restored back-up.
CREATE TABLE link_keys (
    id INTEGER NOT NULL PRIMARY KEY,
    workspace TEXT NOT NULL,
    secret BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER NULL
);
CREATE INDEX link_keys_workspace_created_at ON link_keys (workspace, created_at);
