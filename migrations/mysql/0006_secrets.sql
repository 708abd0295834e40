-- Secrets by name, sealed with a key that only the servers have.
CREATE TABLE secrets (
    workspace VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    sealed MEDIUMBLOB NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, name)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
