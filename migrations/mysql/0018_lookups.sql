-- Messages that are `unknown` and that their providers are still to be asked about.
CREATE TABLE lookups (
    message VARCHAR(64) NOT NULL PRIMARY KEY,
    -- Of its user: whoever has it asks.
    bucket SMALLINT NOT NULL,
    -- How often its provider was asked.
    asked INT NOT NULL,
    -- When it is asked next.
    due_at BIGINT NOT NULL,
    KEY (bucket, due_at)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
