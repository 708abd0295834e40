-- The provider that could not take a message when it was tried last, where others may.
ALTER TABLE messages ADD COLUMN shuns VARCHAR(255) NULL;
-- Messages that may leave by the same providers, as long as they wait: those who cannot leave stand in nobody's way.
ALTER TABLE messages
    ADD COLUMN lane VARCHAR(400) GENERATED ALWAYS AS (
        CASE WHEN due_at IS NULL THEN NULL ELSE CONCAT(
            CASE WHEN transaction_id IS NULL THEN 'c|' ELSE 't|' END, workspace,
            CASE WHEN keyed_by IS NOT NULL THEN CONCAT('|=', keyed_by) WHEN shuns IS NOT NULL THEN CONCAT('|!', shuns) ELSE '' END
        ) END
    ) STORED,
    ADD KEY (lane, bucket, due_at),
    DROP KEY bucket;

-- What all servers know about a provider. Times are the database's, or the virtual clock's.
CREATE TABLE providers (
    workspace VARCHAR(64) NOT NULL,
    id VARCHAR(255) NOT NULL,
    -- closed, open, half_open: whether it is asked.
    breaker VARCHAR(16) NOT NULL,
    -- Not before this; of a half open one: its message is not waited for any longer.
    until BIGINT NOT NULL,
    -- How often it was opened in a row.
    times INT NOT NULL,
    -- Since when it is not closed, and why.
    since BIGINT NULL,
    why TEXT NULL,
    -- A few bits of what it was made of when it was opened: with other secrets it is tried at once.
    made_of VARCHAR(16) NULL,
    -- Counts the changes of all that is above.
    version BIGINT NOT NULL,
    -- Why it cannot be made at all.
    unusable TEXT NULL,
    -- From when on the next of its messages per second may be leased, in microseconds.
    next_at BIGINT NOT NULL,
    -- What it says of itself, and when it was asked.
    told_per_second INT NULL,
    told_per_day INT NULL,
    told_at BIGINT NULL,
    PRIMARY KEY (workspace, id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- What was leased of a daily allowance, by the hour.
CREATE TABLE provider_hours (
    workspace VARCHAR(64) NOT NULL,
    provider VARCHAR(255) NOT NULL,
    hour BIGINT NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (workspace, provider, hour)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
