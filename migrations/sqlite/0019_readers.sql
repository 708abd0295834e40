-- From where a message was opened or a link followed, where somebody says it: ISO 3166-1, two letters.
ALTER TABLE outcomes ADD COLUMN country TEXT NULL;
