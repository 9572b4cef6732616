"""An API in FastAPI that believes the access tokens of a countersign server, by its public keys alone."""

import os
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from pydantic import BaseModel

# What countersign signs with. Named here, and never taken from the token: it could say `none`.
ALGORITHMS = ["ES256", "EdDSA", "RS256"]

# RFC 9068 §2.1: what tells an access token from an ID token of the same issuer.
TYPES = {"at+jwt", "application/at+jwt"}

# RFC 9068 §2.2: the claims that every access token has.
REQUIRED = ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"]

LEEWAY = 5  # seconds; the clocks of two machines
TIMEOUT = 5  # seconds; an issuer that is waited for
MAX_LENGTH = 16 * 1024  # characters of a token


class AccessToken(BaseModel):
    """What a good token says. `sub` is whose it is, for ever; a name may change hands."""

    sub: str
    client_id: str
    scope: str = ""

    def is_clients_own(self):
        """Whether a client got it on its own behalf (RFC 9068 §5), so that no user is behind it."""
        return self.sub == self.client_id


class Item(BaseModel):
    item_id: str
    owner: str


# The docs page asks for a token as the issuer gave it, and sends no password anywhere.
bearer = HTTPBearer(bearerFormat="JWT", description="An access token, as `POST /token` of the issuer answers it.")


def challenge(status, detail, error, scope=""):
    """A refusal by RFC 6750 §3."""
    needed = f', scope="{scope}"' if scope else ""
    return HTTPException(status, detail, {"WWW-Authenticate": f'Bearer error="{error}"{needed}'})


def unavailable():
    """Nobody knows whether the token is good, so it is not called bad."""
    return HTTPException(503, "Temporarily unavailable, try again", {"Retry-After": "5"})


class Verifier:
    """A dependency that believes access tokens of one issuer, for one audience (RFC 9068 §4)."""

    def __init__(self, issuer, audience):
        self.issuer = issuer
        self.audience = audience
        # Keeps the keys for 5 minutes, and asks for an unknown one at most once in 30 seconds.
        self.keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json", timeout=TIMEOUT)

    def verify(self, token):
        if len(token) > MAX_LENGTH:
            raise jwt.InvalidTokenError("too long")
        whole = jwt.decode_complete(
            token,
            self.keys.get_signing_key_from_jwt(token),
            algorithms=ALGORITHMS,
            audience=self.audience,
            issuer=self.issuer,
            leeway=LEEWAY,
            options={"require": REQUIRED},
        )
        if str(whole["header"].get("typ")).lower() not in TYPES:
            raise jwt.InvalidTokenError("no access token")
        return AccessToken.model_validate(whole["payload"])

    def __call__(
        self, needed: SecurityScopes, credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]
    ) -> AccessToken:
        try:
            self.keys.get_signing_keys()
        except (jwt.PyJWTError, ValueError) as away:
            raise unavailable() from away
        try:
            token = self.verify(credentials.credentials)
        except jwt.PyJWKClientConnectionError as away:
            raise unavailable() from away
        # A claim of another type than in `AccessToken` is a ValueError.
        except (jwt.PyJWTError, ValueError) as bad:
            raise challenge(401, "Could not validate credentials", "invalid_token", needed.scope_str) from bad
        if not set(needed.scopes) <= set(token.scope.split(" ")):
            raise challenge(403, "Not enough permissions", "insufficient_scope", needed.scope_str)
        return token


def api(issuer, audience):
    """The app, for the tokens of this issuer that are for this audience."""
    app = FastAPI(title="Items, in Python")
    verifier = Verifier(issuer, audience)

    def current_user(token: Annotated[AccessToken, Security(verifier, scopes=["me"])]) -> str:
        """The subject of a user: a client's own token is nobody's."""
        if token.is_clients_own():
            raise challenge(401, "Could not validate credentials", "invalid_token")
        return token.sub

    @app.get("/status")
    def read_status() -> str:
        return "ok"

    @app.get("/items")
    def list_items(token: Annotated[AccessToken, Security(verifier, scopes=["items"])]) -> list[Item]:
        return [Item(item_id="Foo", owner=token.sub)]

    @app.get("/me/items")
    def list_own_items(user: Annotated[str, Security(current_user, scopes=["items"])]) -> list[Item]:
        return [Item(item_id="Bar", owner=user)]

    return app


ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
app = api(ISSUER, os.environ.get("AUDIENCE", ISSUER))
