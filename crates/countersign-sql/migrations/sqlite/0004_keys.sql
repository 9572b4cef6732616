-- Keys that are replaced, withdrawn, and encrypted at rest.

-- When a key was withdrawn: its private half is then empty. `sealed` says that the private half is encrypted under the
-- operator's key, bound to the key's name.
ALTER TABLE oauth2_keys ADD COLUMN withdrawn_at INTEGER;
ALTER TABLE oauth2_keys ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0;
