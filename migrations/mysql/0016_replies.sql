-- How far mailboxes have been read in which answers to messages are looked for.
CREATE TABLE mailboxes (
    workspace VARCHAR(64) NOT NULL,
    -- Made of the account and the folder: another one is read from its own beginning.
    id VARCHAR(64) NOT NULL,
    -- UIDVALIDITY of the folder, and the first UID that has not been read.
    validity BIGINT NOT NULL,
    next_uid BIGINT NOT NULL,
    read_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
