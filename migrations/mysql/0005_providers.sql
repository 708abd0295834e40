-- Since when a provider may have the message without having said so, which knows messages again by their keys, and which memory that is: a
-- repeat goes to that one alone.
ALTER TABLE messages ADD COLUMN keyed_at BIGINT NULL;
ALTER TABLE messages ADD COLUMN keyed_by VARCHAR(64) NULL;
-- How many of the attempts failed for a reason of the provider's own.
ALTER TABLE messages ADD COLUMN unable INT NOT NULL DEFAULT 0;
