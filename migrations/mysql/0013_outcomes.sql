-- What was told of a message after it was handed over: a bit for each kind, see `Told`.
ALTER TABLE messages
    ADD COLUMN told SMALLINT NOT NULL DEFAULT 0,
    -- Some providers know it by their own id alone.
    ADD KEY (provider_message_id(64));

-- Each thing that was told, by providers or by a reader's own doing.
CREATE TABLE outcomes (
    message VARCHAR(64) NOT NULL,
    -- Made of what it says: what is told twice is here once.
    id VARCHAR(64) NOT NULL,
    -- delivered, bounced, complained, refused, opened, clicked, unsubscribed, subscribed
    outcome VARCHAR(16) NOT NULL,
    -- Of a bounce: hard, soft, policy. Of an opening or a click: person, prefetch, robot.
    kind VARCHAR(16) NULL,
    at BIGINT NOT NULL,
    provider VARCHAR(255) NULL,
    -- What a mail server said, or where a link leads.
    detail TEXT NULL,
    -- The program by which it was done.
    agent TEXT NULL,
    PRIMARY KEY (message, id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
