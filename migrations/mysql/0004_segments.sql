-- Segments that everybody is held against again: from time to time, or because somebody asked for it.
CREATE TABLE segment_runs (
    workspace VARCHAR(64) NOT NULL,
    segment VARCHAR(255) NOT NULL,
    -- Of the segment: whose server does it.
    bucket SMALLINT NOT NULL,
    due_at BIGINT NOT NULL,
    -- NULL: once.
    every BIGINT NULL,
    -- The last user who was done; '' before the first.
    done_to VARCHAR(255) NOT NULL,
    -- What it asks has not been asked before.
    fresh BOOLEAN NOT NULL,
    PRIMARY KEY (workspace, segment),
    KEY (bucket, due_at)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- How many users there were in a segment, by business time.
CREATE TABLE segment_sizes (
    workspace VARCHAR(64) NOT NULL,
    segment VARCHAR(255) NOT NULL,
    at BIGINT NOT NULL,
    users BIGINT NOT NULL,
    PRIMARY KEY (workspace, segment, at)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
