-- How many endpoints are told what happens in a workspace: whoever writes something down need not look for them where there are none.
ALTER TABLE workspaces ADD COLUMN listeners INTEGER NOT NULL DEFAULT 0;

-- Who is told. The secrets that deliveries are signed with stand among the others, sealed.
CREATE TABLE webhook_endpoints (
    id TEXT NOT NULL PRIMARY KEY,
    workspace TEXT NOT NULL,
    -- Whoever has it works for this endpoint, and nobody else.
    bucket INTEGER NOT NULL,
    url TEXT NOT NULL,
    -- A JSON list of types; NULL: all.
    events TEXT NULL,
    created_at INTEGER NOT NULL,
    -- Until when it is also signed with the secret before this one.
    rotates_until INTEGER NULL,
    -- Tries in a row that all failed, why, and until when it is left alone.
    failures INTEGER NOT NULL,
    reason TEXT NULL,
    rests_until INTEGER NULL,
    -- When it took something the last time, or was made or enabled.
    sound_at INTEGER NOT NULL,
    disabled_at INTEGER NULL
) WITHOUT ROWID;
CREATE INDEX webhook_endpoints_workspace ON webhook_endpoints (workspace, id);

-- What they are told, written down with what it tells of.
CREATE TABLE webhook_deliveries (
    -- The order in which it was written down.
    seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- What the receiver knows it by, however often it is told.
    id TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    workspace TEXT NOT NULL,
    -- Whom it is about.
    user_id TEXT NOT NULL,
    type TEXT NOT NULL,
    -- JSON, byte for byte as it is signed.
    body TEXT NOT NULL,
    -- pending, delivered, failed
    status TEXT NOT NULL,
    reason TEXT NULL,
    attempt INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- When it is tried next, also while it is being tried: whoever dies in the middle leaves it to be tried again.
    due_at INTEGER NULL,
    -- When it is tried for the last time, and when it is forgotten.
    tried_until INTEGER NOT NULL,
    kept_until INTEGER NOT NULL
);
CREATE INDEX webhook_deliveries_endpoint_due_at ON webhook_deliveries (endpoint, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_deliveries_endpoint_seq ON webhook_deliveries (endpoint, seq);
CREATE INDEX webhook_deliveries_id ON webhook_deliveries (id);
CREATE INDEX webhook_deliveries_workspace_user_id ON webhook_deliveries (workspace, user_id);
CREATE INDEX webhook_deliveries_kept_until ON webhook_deliveries (kept_until);
