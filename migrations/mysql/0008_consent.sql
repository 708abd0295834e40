-- Whom nobody wants to be written to, and about what. One row for each address that a message was ever about to go to: what changes it, and
-- what sends, lock it.
CREATE TABLE addresses (
    workspace VARCHAR(64) NOT NULL,
    -- HMAC of the address: what is known of it outlives the person.
    hash BINARY(16) NOT NULL,
    -- The address itself, where something is known of it; gone when the person is erased.
    address VARCHAR(320) NULL,
    -- bounce, soft_bounces, complaint, manual: nothing is sent to it.
    blocked VARCHAR(16) NULL,
    blocked_at BIGINT NULL,
    -- Only transactions are sent to it.
    unsubscribed_at BIGINT NULL,
    -- What its reader said, by topic. JSON.
    topics TEXT NULL,
    -- Bounces that may pass, each with its message. JSON.
    soft_bounces TEXT NULL,
    PRIMARY KEY (workspace, hash)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- What addresses are hashed with. Made once, when it is first needed: with another one all that is known would be lost.
ALTER TABLE workspaces ADD COLUMN address_key VARBINARY(32) NULL;

-- What the links in emails are signed with. Not a secret of the environment: emails that were sent lead here for years, after every move and
-- every restored back-up.
CREATE TABLE link_keys (
    id BIGINT NOT NULL PRIMARY KEY,
    workspace VARCHAR(64) NOT NULL,
    secret VARBINARY(32) NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT NULL,
    KEY (workspace, created_at)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
