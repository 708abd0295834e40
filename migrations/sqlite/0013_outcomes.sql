-- What was told of a message after it was handed over: a bit for each kind, see `Told`.
ALTER TABLE messages ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
-- Some providers know it by their own id alone.
CREATE INDEX messages_provider_message_id ON messages (provider_message_id) WHERE provider_message_id IS NOT NULL;

-- Each thing that was told, by providers or by a reader's own doing.
CREATE TABLE outcomes (
    message TEXT NOT NULL,
    -- Made of what it says: what is told twice is here once.
    id TEXT NOT NULL,
    -- delivered, bounced, complained, refused, opened, clicked, unsubscribed, subscribed
    outcome TEXT NOT NULL,
    -- Of a bounce: hard, soft, policy. Of an opening or a click: person, prefetch, robot.
    kind TEXT NULL,
    at INTEGER NOT NULL,
    provider TEXT NULL,
    -- What a mail server said, or where a link leads.
    detail TEXT NULL,
    -- The program by which it was done.
    agent TEXT NULL,
    PRIMARY KEY (message, id)
) WITHOUT ROWID;
