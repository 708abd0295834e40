-- Since when the message's provider may have it without having said so, where it would know the message again by its key.
ALTER TABLE messages ADD COLUMN keyed_at INTEGER NULL;
