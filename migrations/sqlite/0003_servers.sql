-- Which servers are alive. Apart from `servers`, the fence, which no heartbeat touches. Here there is one server at a time.
CREATE TABLE heartbeats (
    incarnation TEXT NOT NULL PRIMARY KEY,
    -- By the database's clock.
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
