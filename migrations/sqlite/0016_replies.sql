-- How far mailboxes have been read in which answers to messages are looked for.
CREATE TABLE mailboxes (
    workspace TEXT NOT NULL,
    -- Made of the account and the folder: another one is read from its own beginning.
    id TEXT NOT NULL,
    -- UIDVALIDITY of the folder, and the first UID that has not been read.
    validity INTEGER NOT NULL,
    next_uid INTEGER NOT NULL,
    read_at INTEGER NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
