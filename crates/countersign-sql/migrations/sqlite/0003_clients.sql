-- The registry of clients, with all that an operator says of one. What was registered before stays.

-- Authentication methods by the names of RFC 7591, names of grant types and audiences are each separated by single
-- spaces. So are the secrets, the newest first: the hash in hex, and after a colon when it expires. `jwks` is the key set
-- as it was registered. A scope of NULL is any scope; a token format of NULL is the server's.
CREATE TABLE oauth2_clients_3 (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT,
    auth_methods TEXT NOT NULL,
    secrets TEXT NOT NULL,
    jwks TEXT,
    party TEXT NOT NULL,
    grant_types TEXT NOT NULL,
    scope TEXT,
    audience TEXT NOT NULL,
    token_format TEXT,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- When they were registered was not kept: 0 says that it was long ago.
INSERT INTO oauth2_clients_3 (id, auth_methods, secrets, party, grant_types, scope, audience, status, created_at)
SELECT id, CASE client_type WHEN 'public' THEN 'none' ELSE 'client_secret_basic client_secret_post' END,
    secret_hashes, party, grant_types, scope, '', 'active', 0
FROM oauth2_clients;

DROP TABLE oauth2_clients;
ALTER TABLE oauth2_clients_3 RENAME TO oauth2_clients;
