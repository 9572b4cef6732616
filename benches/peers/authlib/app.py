"""Authlib's authorization server on Flask, as its documentation has it, with everything in memory.

The password, refresh token (with rotation) and client credentials grants, introspection, and a guarded route; access tokens
are JWTs as of RFC 9068, signed ES256.
"""

import secrets
import time

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator, JWTBearerTokenValidator, JWTIntrospectionEndpoint
from flask import Flask, jsonify
from joserfc.jwk import ECKey, KeySet

ISSUER = "https://login.example.com"
AUDIENCE = "https://api.example.com"
REFRESH_TOKEN_SECONDS = 14 * 24 * 60 * 60

hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
keys = KeySet([ECKey.generate_key("P-256", parameters={"use": "sig", "alg": "ES256", "kid": "1"})])


class User:
    def __init__(self, username, password, **profile):
        self.username, self.password_hash, self.profile = username, hasher.hash(password), profile

    def get_user_id(self):
        return self.username

    def check_password(self, password):
        try:
            return hasher.verify(self.password_hash, password)
        except VerifyMismatchError:
            return False


class Client(ClientMixin):
    def __init__(self, client_id, secret, scope, grant_types):
        self.client_id, self.secret, self.scope, self.grant_types = client_id, secret, scope, grant_types

    def get_client_id(self):
        return self.client_id

    def get_allowed_scope(self, scope):
        allowed = self.scope.split()
        return " ".join(name for name in (scope or "").split() if name in allowed)

    def check_client_secret(self, client_secret):
        return secrets.compare_digest(self.secret, client_secret)

    def check_endpoint_auth_method(self, method, endpoint):
        return method in ("client_secret_basic", "client_secret_post")

    def check_grant_type(self, grant_type):
        return grant_type in self.grant_types


class RefreshToken(TokenMixin):
    def __init__(self, client_id, username, scope):
        self.client_id, self.username, self.scope = client_id, username, scope
        self.expires_at = time.time() + REFRESH_TOKEN_SECONDS

    def check_client(self, client):
        return self.client_id == client.client_id

    def get_scope(self):
        return self.scope

    def is_expired(self):
        return self.expires_at < time.time()


users = {"alice": User("alice", "correct horse battery", full_name="Alice Chains", email="alice@example.com")}
clients = {"bench": Client("bench", "bench-secret", "me items", ["password", "refresh_token", "client_credentials"])}
refresh_tokens = {}


def save_token(token, request):
    if "refresh_token" in token:
        entry = RefreshToken(request.client.client_id, request.user.username, token["scope"])
        refresh_tokens[token["refresh_token"]] = entry


class PasswordGrant(grants.ResourceOwnerPasswordCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

    def authenticate_user(self, username, password):
        user = users.get(username)
        if user is not None and user.check_password(password):
            return user


class RefreshTokenGrant(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token):
        entry = refresh_tokens.get(refresh_token)
        if entry is not None and not entry.is_expired():
            return entry

    def authenticate_user(self, refresh_token):
        return users.get(refresh_token.username)

    def revoke_old_credential(self, refresh_token):
        refresh_tokens.pop(self.request.form["refresh_token"], None)


class ClientCredentialsGrant(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]


class Generator(JWTBearerTokenGenerator):
    def get_jwks(self):
        return keys

    def get_audiences(self, client, user, scope):
        return AUDIENCE


class Validator(JWTBearerTokenValidator):
    def get_jwks(self):
        return keys


class Introspection(JWTIntrospectionEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

    def get_jwks(self):
        return keys

    def check_permission(self, token, client, request):
        return True

    def query_token(self, token_string, token_type_hint):
        return None


app = Flask(__name__)
app.config["OAUTH2_SCOPES_SUPPORTED"] = ["me", "items"]
server = AuthorizationServer(app, query_client=clients.get, save_token=save_token)
server.register_token_generator(
    "default",
    Generator(ISSUER, alg="ES256", refresh_token_generator=lambda *args, **kwargs: secrets.token_urlsafe(32)),
)
for grant in (PasswordGrant, RefreshTokenGrant, ClientCredentialsGrant):
    server.register_grant(grant)
server.register_endpoint(Introspection(ISSUER))
require_oauth = ResourceProtector()
require_oauth.register_token_validator(Validator(ISSUER, AUDIENCE))


@app.post("/token")
def issue_token():
    return server.create_token_response()


@app.post("/introspect")
def introspect():
    return server.create_endpoint_response("introspection")


@app.get("/users/me")
@require_oauth("me")
def users_me():
    user = users[current_token["sub"]]
    return jsonify(username=user.username, **user.profile)
