-- Times are ms UTC. Ids are compared byte for byte, trailing blanks and all: utf8mb4_0900_bin pads nothing.
-- Every row of a user carries its workspace; what becomes due carries its bucket, and its index starts with it.

CREATE TABLE meta (
    k VARCHAR(64) NOT NULL PRIMARY KEY,
    v VARCHAR(255) NOT NULL
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- The fence: one row per server incarnation. Heartbeats never touch it; every engine commit locks it for share.
CREATE TABLE servers (
    incarnation VARCHAR(64) NOT NULL PRIMARY KEY,
    started_at BIGINT NOT NULL,
    dead_at BIGINT NULL,
    -- What it was sending has been accounted for.
    recovered BOOLEAN NOT NULL DEFAULT FALSE
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE leases (
    bucket SMALLINT NOT NULL PRIMARY KEY,
    incarnation VARCHAR(64) NULL,
    -- By the database's clock.
    expires_at BIGINT NOT NULL
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE workspaces (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    generation BIGINT NOT NULL,
    deployment VARCHAR(64) NULL,
    created_at BIGINT NOT NULL
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE api_keys (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    workspace VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    prefix VARCHAR(32) NOT NULL,
    -- SHA-256 of the key, in hex.
    hash VARCHAR(64) NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT NULL,
    KEY (workspace, id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE modules (
    sha256 VARCHAR(64) NOT NULL PRIMARY KEY,
    wasm LONGBLOB NOT NULL
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE deployments (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    workspace VARCHAR(64) NOT NULL,
    generation BIGINT NOT NULL,
    sha256 VARCHAR(64) NOT NULL,
    manifest LONGTEXT NOT NULL,
    -- By campaign: the generation in which its entry rule came to be. JSON.
    since LONGTEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE KEY (workspace, generation)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE users (
    workspace VARCHAR(64) NOT NULL,
    id VARCHAR(255) NOT NULL,
    bucket SMALLINT NOT NULL,
    -- Tells this user from an earlier one of the same id who was erased.
    incarnation VARCHAR(64) NOT NULL,
    attributes JSON NOT NULL,
    email VARCHAR(320) NULL,
    -- How many facts have been consumed.
    seq BIGINT NOT NULL,
    -- The generation whose segments the user was last held against.
    evaluated BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, id),
    KEY (workspace, email),
    KEY (bucket, workspace, evaluated)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE events (
    workspace VARCHAR(64) NOT NULL,
    user_id VARCHAR(255) NOT NULL,
    id VARCHAR(255) NOT NULL,
    name VARCHAR(255) NOT NULL,
    attributes JSON NOT NULL,
    occurred_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, user_id, id),
    KEY (workspace, user_id, name, occurred_at)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- What the engine has not consumed yet. Read by id, never by high-water mark: 10 can commit after 11.
CREATE TABLE inbox (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    bucket SMALLINT NOT NULL,
    workspace VARCHAR(64) NOT NULL,
    user_id VARCHAR(255) NOT NULL,
    -- NULL: the attributes changed.
    event_id VARCHAR(255) NULL,
    hops INT NOT NULL,
    historical BOOLEAN NOT NULL,
    KEY (bucket, id),
    KEY (workspace, user_id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE memberships (
    workspace VARCHAR(64) NOT NULL,
    user_id VARCHAR(255) NOT NULL,
    segment VARCHAR(255) NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (workspace, user_id, segment),
    KEY (workspace, segment, user_id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- The next instant at which time alone may change a membership.
CREATE TABLE flips (
    workspace VARCHAR(64) NOT NULL,
    user_id VARCHAR(255) NOT NULL,
    segment VARCHAR(255) NOT NULL,
    bucket SMALLINT NOT NULL,
    flip_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, user_id, segment),
    KEY (bucket, flip_at)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE enrollments (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    workspace VARCHAR(64) NOT NULL,
    user_id VARCHAR(255) NOT NULL,
    bucket SMALLINT NOT NULL,
    campaign VARCHAR(255) NOT NULL,
    run INT NOT NULL,
    deployment VARCHAR(64) NOT NULL,
    status VARCHAR(16) NOT NULL,
    reason TEXT NULL,
    version BIGINT NOT NULL,
    first_op BIGINT NOT NULL,
    next_op BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    wake_at BIGINT NULL,
    hops INT NOT NULL,
    -- What it waits for. JSON.
    pending MEDIUMTEXT NOT NULL,
    -- The newest journal entries; older ones stand in journal_chunks. Postcard.
    journal MEDIUMBLOB NOT NULL,
    chunks INT NOT NULL,
    UNIQUE KEY (workspace, user_id, campaign, run),
    KEY (bucket, wake_at),
    KEY (workspace, campaign, status)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE journal_chunks (
    enrollment VARCHAR(64) NOT NULL,
    chunk INT NOT NULL,
    entries MEDIUMBLOB NOT NULL,
    PRIMARY KEY (enrollment, chunk)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- The ledger: one row per decided message.
CREATE TABLE messages (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    workspace VARCHAR(64) NOT NULL,
    -- '' once the person was erased.
    user_id VARCHAR(255) NOT NULL,
    user_incarnation VARCHAR(64) NOT NULL,
    bucket SMALLINT NOT NULL,
    status VARCHAR(16) NOT NULL,
    reason TEXT NULL,
    template VARCHAR(255) NOT NULL,
    campaign VARCHAR(255) NULL,
    enrollment VARCHAR(64) NULL,
    op BIGINT NULL,
    transaction_id VARCHAR(255) NULL,
    event_id VARCHAR(255) NULL,
    deployment VARCHAR(64) NOT NULL,
    args MEDIUMTEXT NOT NULL,
    guarantee VARCHAR(16) NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    -- Set while it is pending.
    due_at BIGINT NULL,
    -- Not sent at or after this instant.
    not_after BIGINT NULL,
    attempt INT NOT NULL,
    -- The server that is sending it, and since when by the database's clock.
    sender VARCHAR(64) NULL,
    claimed_at BIGINT NULL,
    -- What it was rendered from, besides args: the user's declared attributes when it was sent. JSON.
    context MEDIUMTEXT NULL,
    sender_address VARCHAR(1000) NULL,
    recipient VARCHAR(1000) NULL,
    subject TEXT NULL,
    -- SHA-256 of subject, HTML and text as sent, in hex.
    body_hash VARCHAR(64) NULL,
    provider VARCHAR(255) NULL,
    provider_message_id VARCHAR(1000) NULL,
    sent_at BIGINT NULL,
    KEY (bucket, due_at),
    KEY (sender),
    KEY (enrollment),
    KEY (workspace, user_id),
    KEY (workspace, created_at, id),
    KEY (workspace, campaign, status)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE attempts (
    message VARCHAR(64) NOT NULL,
    attempt INT NOT NULL,
    at BIGINT NOT NULL,
    provider VARCHAR(255) NULL,
    -- accepted, retry, refused, unknown
    outcome VARCHAR(16) NOT NULL,
    detail TEXT NULL,
    PRIMARY KEY (message, attempt)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
