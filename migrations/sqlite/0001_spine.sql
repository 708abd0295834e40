-- Times are ms UTC. Ids are compared byte for byte: SQLite's own collation does.
-- Every row of a user carries its workspace; what becomes due carries its bucket, and its index starts with it.

CREATE TABLE meta (
    k TEXT NOT NULL PRIMARY KEY,
    v TEXT NOT NULL
) WITHOUT ROWID;

-- The fence: one row per server incarnation. Heartbeats never touch it; every engine commit locks it for share.
CREATE TABLE servers (
    incarnation TEXT NOT NULL PRIMARY KEY,
    started_at INTEGER NOT NULL,
    dead_at INTEGER NULL,
    -- What it was sending has been accounted for.
    recovered INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE leases (
    bucket INTEGER NOT NULL PRIMARY KEY,
    incarnation TEXT NULL,
    -- By the database's clock.
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE workspaces (
    id TEXT NOT NULL PRIMARY KEY,
    generation INTEGER NOT NULL,
    deployment TEXT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    workspace TEXT NOT NULL,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    -- SHA-256 of the key, in hex.
    hash TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER NULL
) WITHOUT ROWID;
CREATE INDEX api_keys_workspace_id ON api_keys (workspace, id);

CREATE TABLE modules (
    sha256 TEXT NOT NULL PRIMARY KEY,
    wasm BLOB NOT NULL
);

CREATE TABLE deployments (
    id TEXT NOT NULL PRIMARY KEY,
    workspace TEXT NOT NULL,
    generation INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    manifest TEXT NOT NULL,
    -- By campaign: the generation in which its entry rule came to be. JSON.
    since TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (workspace, generation)
);

CREATE TABLE users (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    -- Tells this user from an earlier one of the same id who was erased.
    incarnation TEXT NOT NULL,
    attributes TEXT NOT NULL,
    email TEXT NULL,
    -- How many facts have been consumed.
    seq INTEGER NOT NULL,
    -- The generation whose segments the user was last held against.
    evaluated INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX users_workspace_email ON users (workspace, email);
CREATE INDEX users_bucket_workspace_evaluated ON users (bucket, workspace, evaluated);

CREATE TABLE events (
    workspace TEXT NOT NULL,
    user_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    attributes TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (workspace, user_id, id)
) WITHOUT ROWID;
CREATE INDEX events_workspace_user_id_name_occurred_at ON events (workspace, user_id, name, occurred_at);

-- What the engine has not consumed yet. Read by id, never by high-water mark: 10 can commit after 11.
CREATE TABLE inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket INTEGER NOT NULL,
    workspace TEXT NOT NULL,
    user_id TEXT NOT NULL,
    -- NULL: the attributes changed.
    event_id TEXT NULL,
    hops INTEGER NOT NULL,
    historical INTEGER NOT NULL
);
CREATE INDEX inbox_bucket_id ON inbox (bucket, id);
CREATE INDEX inbox_workspace_user_id ON inbox (workspace, user_id);

CREATE TABLE memberships (
    workspace TEXT NOT NULL,
    user_id TEXT NOT NULL,
    segment TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (workspace, user_id, segment)
) WITHOUT ROWID;
CREATE INDEX memberships_workspace_segment_user_id ON memberships (workspace, segment, user_id);

-- The next instant at which time alone may change a membership.
CREATE TABLE flips (
    workspace TEXT NOT NULL,
    user_id TEXT NOT NULL,
    segment TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    flip_at INTEGER NOT NULL,
    PRIMARY KEY (workspace, user_id, segment)
) WITHOUT ROWID;
CREATE INDEX flips_bucket_flip_at ON flips (bucket, flip_at);

CREATE TABLE enrollments (
    id TEXT NOT NULL PRIMARY KEY,
    workspace TEXT NOT NULL,
    user_id TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    campaign TEXT NOT NULL,
    run INTEGER NOT NULL,
    deployment TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NULL,
    version INTEGER NOT NULL,
    first_op INTEGER NOT NULL,
    next_op INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    wake_at INTEGER NULL,
    hops INTEGER NOT NULL,
    -- What it waits for. JSON.
    pending TEXT NOT NULL,
    -- The newest journal entries; older ones stand in journal_chunks. Postcard.
    journal BLOB NOT NULL,
    chunks INTEGER NOT NULL,
    UNIQUE (workspace, user_id, campaign, run)
);
CREATE INDEX enrollments_bucket_wake_at ON enrollments (bucket, wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX enrollments_workspace_campaign_status ON enrollments (workspace, campaign, status);

CREATE TABLE journal_chunks (
    enrollment TEXT NOT NULL,
    chunk INTEGER NOT NULL,
    entries BLOB NOT NULL,
    PRIMARY KEY (enrollment, chunk)
);

-- The ledger: one row per decided message.
CREATE TABLE messages (
    id TEXT NOT NULL PRIMARY KEY,
    workspace TEXT NOT NULL,
    -- '' once the person was erased.
    user_id TEXT NOT NULL,
    user_incarnation TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NULL,
    template TEXT NOT NULL,
    campaign TEXT NULL,
    enrollment TEXT NULL,
    op INTEGER NULL,
    transaction_id TEXT NULL,
    event_id TEXT NULL,
    deployment TEXT NOT NULL,
    args TEXT NOT NULL,
    guarantee TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- Set while it is pending.
    due_at INTEGER NULL,
    -- Not sent at or after this instant.
    not_after INTEGER NULL,
    attempt INTEGER NOT NULL,
    -- The server that is sending it, and since when by the database's clock.
    sender TEXT NULL,
    claimed_at INTEGER NULL,
    -- What it was rendered from, besides args: the user's declared attributes when it was sent. JSON.
    context TEXT NULL,
    sender_address TEXT NULL,
    recipient TEXT NULL,
    subject TEXT NULL,
    -- SHA-256 of subject, HTML and text as sent, in hex.
    body_hash TEXT NULL,
    provider TEXT NULL,
    provider_message_id TEXT NULL,
    sent_at INTEGER NULL
);
CREATE INDEX messages_bucket_due_at ON messages (bucket, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX messages_sender ON messages (sender) WHERE sender IS NOT NULL;
CREATE INDEX messages_enrollment ON messages (enrollment);
CREATE INDEX messages_workspace_user_id ON messages (workspace, user_id);
CREATE INDEX messages_workspace_created_at_id ON messages (workspace, created_at, id);
CREATE INDEX messages_workspace_campaign_status ON messages (workspace, campaign, status);

CREATE TABLE attempts (
    message TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    at INTEGER NOT NULL,
    provider TEXT NULL,
    -- accepted, retry, refused, unknown
    outcome TEXT NOT NULL,
    detail TEXT NULL,
    PRIMARY KEY (message, attempt)
) WITHOUT ROWID;
