-- Where links in emails lead that are counted.
CREATE TABLE tracked_links (
    workspace VARCHAR(64) NOT NULL,
    -- The beginning of the address's SHA-256.
    id BINARY(10) NOT NULL,
    address TEXT NOT NULL,
    -- The only one who was sent it, with whom it goes; NULL once another was.
    user_id VARCHAR(255) NULL,
    PRIMARY KEY (workspace, id),
    KEY (workspace, user_id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
