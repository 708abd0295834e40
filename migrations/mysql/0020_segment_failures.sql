-- Raw SQL segments that could not be asked about somebody. The flip that asks again goes with it.
CREATE TABLE segment_failures (
    workspace VARCHAR(64) NOT NULL,
    segment VARCHAR(255) NOT NULL,
    -- '': everybody, asked about at once.
    user_id VARCHAR(255) NOT NULL,
    -- The last time, in business time.
    at BIGINT NOT NULL,
    error VARCHAR(500) NOT NULL,
    PRIMARY KEY (workspace, segment, user_id),
    -- For whoever is erased.
    KEY (workspace, user_id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
