-- What flows wait for outside, what they reach, and journals that begin anew.

ALTER TABLE inbox
    -- What is neither an event nor a change of attributes: an answer, somebody asked to enter or leave. JSON.
    ADD COLUMN body MEDIUMTEXT NULL;

ALTER TABLE deployments
    -- By campaign: what it did with those who were in it. JSON.
    ADD COLUMN in_flight MEDIUMTEXT NULL;

ALTER TABLE enrollments
    -- When this journal began; started_at is when the user entered.
    ADD COLUMN since BIGINT NOT NULL DEFAULT 0,
    -- What the journal before handed on to this one. JSON.
    ADD COLUMN state MEDIUMTEXT NULL,
    -- The value for which the user entered, in a campaign with one entry for each.
    ADD COLUMN entry_key VARCHAR(255) NULL,
    ADD COLUMN by_hand BOOLEAN NOT NULL DEFAULT FALSE,
    -- The size of the journal, with its chunks.
    ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0,
    -- The first chunk of this journal.
    ADD COLUMN first_chunk INT NOT NULL DEFAULT 0,
    MODIFY pending MEDIUMBLOB NOT NULL;
UPDATE enrollments SET since = started_at;

-- HTTP requests that flows wait for the answers to.
CREATE TABLE webhooks (
    enrollment VARCHAR(64) NOT NULL,
    op BIGINT NOT NULL,
    workspace VARCHAR(64) NOT NULL,
    user_id VARCHAR(255) NOT NULL,
    bucket SMALLINT NOT NULL,
    campaign VARCHAR(255) NOT NULL,
    -- JSON.
    request MEDIUMTEXT NOT NULL,
    -- pending, answered, failed, cancelled
    status VARCHAR(16) NOT NULL,
    reason TEXT NULL,
    attempt INT NOT NULL,
    -- When it is tried next, also while it is being tried: whoever dies in the middle leaves it to be tried again.
    due_at BIGINT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (enrollment, op),
    KEY (bucket, due_at),
    KEY (workspace, user_id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- What flows wait for people to do.
CREATE TABLE tasks (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    enrollment VARCHAR(64) NOT NULL,
    op BIGINT NOT NULL,
    workspace VARCHAR(64) NOT NULL,
    user_id VARCHAR(255) NOT NULL,
    bucket SMALLINT NOT NULL,
    campaign VARCHAR(255) NOT NULL,
    title TEXT NOT NULL,
    assignee VARCHAR(255) NULL,
    due_at BIGINT NULL,
    -- open, done, cancelled
    status VARCHAR(16) NOT NULL,
    -- JSON.
    result MEDIUMTEXT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE KEY (enrollment, op),
    KEY (workspace, status, created_at, id),
    KEY (workspace, user_id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- Goals that were reached and arms that were chosen, to be counted.
CREATE TABLE marks (
    enrollment VARCHAR(64) NOT NULL,
    op BIGINT NOT NULL,
    workspace VARCHAR(64) NOT NULL,
    campaign VARCHAR(255) NOT NULL,
    -- goal, arm
    kind VARCHAR(16) NOT NULL,
    name VARCHAR(255) NOT NULL,
    arm VARCHAR(255) NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (enrollment, op),
    KEY (workspace, campaign, kind, name)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
