-- The APIs that a client is, separated by single spaces: it may ask what tokens for these are. None by default.
ALTER TABLE oauth2_clients ADD COLUMN serves TEXT NOT NULL DEFAULT '';
