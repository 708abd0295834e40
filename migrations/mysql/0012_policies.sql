-- When messages of campaigns were handed over, by user: what frequency caps count.
CREATE TABLE sendings (
    workspace VARCHAR(64) NOT NULL,
    user_id VARCHAR(255) NOT NULL,
    at BIGINT NOT NULL,
    message VARCHAR(64) NOT NULL,
    PRIMARY KEY (workspace, user_id, at, message)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
-- From when on all of them are there; NULL: they are not noted, because no cap asks for them.
ALTER TABLE workspaces ADD COLUMN sendings_since BIGINT NULL;

-- How many messages of a campaign went out on a day, which is known by when it ends.
CREATE TABLE campaign_days (
    workspace VARCHAR(64) NOT NULL,
    campaign VARCHAR(255) NOT NULL,
    ends_at BIGINT NOT NULL,
    used INT NOT NULL,
    PRIMARY KEY (workspace, campaign, ends_at)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
