-- Whose a token is that descends from no grant: it ends with its client. Of those that were issued before nobody knows it.
DELETE FROM oauth2_opaque_tokens WHERE grant_id IS NULL;

ALTER TABLE oauth2_opaque_tokens ADD COLUMN client_id TEXT;

CREATE INDEX oauth2_opaque_tokens_client_id ON oauth2_opaque_tokens (client_id);
