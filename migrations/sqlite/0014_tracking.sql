-- Where links in emails lead that are counted.
CREATE TABLE tracked_links (
    workspace TEXT NOT NULL,
    -- The beginning of the address's SHA-256.
    id BLOB NOT NULL,
    address TEXT NOT NULL,
    -- The only one who was sent it, with whom it goes; NULL once another was.
    user_id TEXT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX tracked_links_user ON tracked_links (workspace, user_id) WHERE user_id IS NOT NULL;
