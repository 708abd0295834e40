-- How many endpoints are told what happens in a workspace: whoever writes something down need not look for them where there are none.
ALTER TABLE workspaces ADD COLUMN listeners INT NOT NULL DEFAULT 0;

-- Who is told. The secrets that deliveries are signed with stand among the others, sealed.
CREATE TABLE webhook_endpoints (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    workspace VARCHAR(64) NOT NULL,
    -- Whoever has it works for this endpoint, and nobody else.
    bucket SMALLINT NOT NULL,
    url TEXT NOT NULL,
    -- A JSON list of types; NULL: all.
    events TEXT NULL,
    created_at BIGINT NOT NULL,
    -- Until when it is also signed with the secret before this one.
    rotates_until BIGINT NULL,
    -- Tries in a row that all failed, why, and until when it is left alone.
    failures INT NOT NULL,
    reason TEXT NULL,
    rests_until BIGINT NULL,
    -- When it took something the last time, or was made or enabled.
    sound_at BIGINT NOT NULL,
    disabled_at BIGINT NULL,
    KEY (workspace, id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- What they are told, written down with what it tells of.
CREATE TABLE webhook_deliveries (
    -- The order in which it was written down.
    seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    -- What the receiver knows it by, however often it is told.
    id VARCHAR(64) NOT NULL,
    endpoint VARCHAR(64) NOT NULL,
    workspace VARCHAR(64) NOT NULL,
    -- Whom it is about.
    user_id VARCHAR(255) NOT NULL,
    type VARCHAR(64) NOT NULL,
    -- JSON, byte for byte as it is signed.
    body MEDIUMTEXT NOT NULL,
    -- pending, delivered, failed
    status VARCHAR(16) NOT NULL,
    reason TEXT NULL,
    attempt INT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    -- When it is tried next, also while it is being tried: whoever dies in the middle leaves it to be tried again.
    due_at BIGINT NULL,
    -- When it is tried for the last time, and when it is forgotten.
    tried_until BIGINT NOT NULL,
    kept_until BIGINT NOT NULL,
    KEY (endpoint, due_at),
    KEY (endpoint, seq),
    KEY (id),
    KEY (workspace, user_id),
    KEY (kept_until)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
