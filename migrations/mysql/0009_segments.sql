-- Events of users who have many, summed up by stretches of time. What is not here is read from `events`.
CREATE TABLE tallies (
    workspace VARCHAR(64) NOT NULL,
    user_id VARCHAR(255) NOT NULL,
    -- Of the events.
    name VARCHAR(255) NOT NULL,
    -- What is kept of them.
    layout BIGINT NOT NULL,
    starts BIGINT NOT NULL,
    -- Not included.
    ends BIGINT NOT NULL,
    events BIGINT NOT NULL,
    -- Of the project that asked for it.
    generation BIGINT NOT NULL,
    -- Postcard.
    tallies MEDIUMBLOB NOT NULL,
    one_by_one MEDIUMBLOB NOT NULL,
    PRIMARY KEY (workspace, user_id, name, layout, starts)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- Of the events that occurred before it, some may be in `tallies`.
ALTER TABLE users ADD COLUMN tallied_to BIGINT NULL;

-- By bucket: the generation that all its users have been held against.
CREATE TABLE settled (
    workspace VARCHAR(64) NOT NULL,
    bucket SMALLINT NOT NULL,
    generation BIGINT NOT NULL,
    PRIMARY KEY (workspace, bucket)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
-- Every push would rewrite all of it.
ALTER TABLE users DROP INDEX bucket;
