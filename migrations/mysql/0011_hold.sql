-- A stop for everything: since when nothing is sent, by whose key (NULL: by a server when it started), and why.
-- And the addresses and @domains that are written to, and no others. JSON; NULL: all are.
ALTER TABLE workspaces
    ADD COLUMN held_at BIGINT NULL,
    ADD COLUMN held_by VARCHAR(64) NULL,
    ADD COLUMN held_why TEXT NULL,
    ADD COLUMN allow_list MEDIUMTEXT NULL;
