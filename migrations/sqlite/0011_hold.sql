-- A stop for everything: since when nothing is sent, by whose key (NULL: by a server when it started), and why.
ALTER TABLE workspaces ADD COLUMN held_at INTEGER NULL;
ALTER TABLE workspaces ADD COLUMN held_by TEXT NULL;
ALTER TABLE workspaces ADD COLUMN held_why TEXT NULL;
-- The addresses and @domains that are written to, and no others. JSON; NULL: all are.
ALTER TABLE workspaces ADD COLUMN allow_list TEXT NULL;
