"""Authlib, in its flavours for requests and for httpx2."""

import functools
import json
import time

import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Client
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey

PATIENCE = 60  # seconds; a debug build on a busy machine
SESSION = functools.partial(OAuth2Session, default_timeout=PATIENCE)
CLIENT = functools.partial(OAuth2Client, timeout=PATIENCE)
ASYNC_CLIENT = functools.partial(AsyncOAuth2Client, timeout=PATIENCE)

FLAVOURS = [pytest.param(SESSION, id="requests"), pytest.param(CLIENT, id="httpx2")]


def log_in(flavour, server, scope=None, client=None, **more):
    oauth = flavour(**(client or {}), scope=scope, token_endpoint=server.token_url)
    login = {"username": server.username, "password": server.password}
    return oauth, oauth.fetch_token(**login | more)


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize(
    "client",
    [
        pytest.param({}, id="no-client"),
        pytest.param({"client_id": "any", "token_endpoint_auth_method": "none"}, id="none"),
        pytest.param({"client_id": "any", "client_secret": "thing"}, id="client_secret_basic"),
        pytest.param(
            {"client_id": "any", "client_secret": "thing", "token_endpoint_auth_method": "client_secret_post"},
            id="client_secret_post",
        ),
        pytest.param({"client_id": "", "client_secret": ""}, id="empty-basic"),
    ],
)
def test_authlib_logs_in_and_calls_a_protected_route(server, flavour, client):
    oauth, token = log_in(flavour, server, " ".join(server.scopes), client)
    assert token["token_type"] == "bearer"
    assert not token.is_expired()
    answer = oauth.get(server.protected_url)
    assert answer.status_code == 200, answer.text
    assert answer.json()["username"] == server.username


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("scope", [None, "", "me", "items me", ["me", "items"]])
def test_authlib_raises_on_no_scope_that_is_granted(server, flavour, scope):
    _, token = log_in(flavour, server, scope)
    assert token["access_token"]
    assert token.get("scope") != ""


@pytest.mark.parametrize("server", ["countersign"], indirect=True)
def test_authlib_logs_in_with_a_name_and_a_password_beyond_ascii(server):
    """Only in its flavour for requests: the other one cannot send such a form."""
    international = server.facts["international"]
    oauth, _ = log_in(SESSION, server, "me", **international)
    assert oauth.get(server.protected_url).json()["username"] == international["username"]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_authlib_names_a_wrong_password(server, flavour):
    with pytest.raises(OAuthError) as refused:
        log_in(flavour, server, password="not the password")
    assert refused.value.error == "invalid_grant"
    assert refused.value.description == "Incorrect username or password"


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_authlib_names_a_scope_that_does_not_exist(server, flavour):
    with pytest.raises(OAuthError) as refused:
        log_in(flavour, server, "nonesuch")
    assert refused.value.error == "invalid_scope"


def test_authlib_logs_in_without_blocking(server):
    import asyncio

    async def run():
        async with ASYNC_CLIENT(scope="me", token_endpoint=server.token_url) as oauth:
            await oauth.fetch_token(username=server.username, password=server.password)
            return await oauth.get(server.protected_url)

    answer = asyncio.run(run())
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_e1_authlib_renews_a_token_that_expired_by_itself(server, flavour):
    oauth, first = log_in(flavour, server, "me")
    seen = []
    oauth.update_token = lambda token, refresh_token=None, access_token=None: seen.append((token, refresh_token))
    oauth.token = dict(first, expires_at=1)
    answer = oauth.get(server.protected_url)
    assert answer.status_code == 200, answer.text
    [(second, used)] = seen
    assert used == first["refresh_token"] != second["refresh_token"]
    assert oauth.token["access_token"] == second["access_token"] != first["access_token"]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_f4_authlib_ends_a_login(server, flavour):
    oauth, token = log_in(flavour, server, "me")
    answer = oauth.revoke_token(server.url("/revoke"), token["refresh_token"], "refresh_token")
    assert answer.status_code == 200, answer.text
    assert oauth.get(server.protected_url).status_code == 401
    with pytest.raises(OAuthError) as refused:
        oauth.refresh_token(server.token_url, token["refresh_token"])
    assert refused.value.error == "invalid_grant"


METHODS = ["client_secret_basic", "client_secret_post"]
OF_USERS = ["--first-party", "--grant-type", "password", "--grant-type", "refresh_token", "--any-scope"]


@pytest.mark.parametrize("server", ["countersign_registry"], indirect=True)
@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("method", METHODS)
def test_f7_authlib_asks_what_a_token_is(server, flavour, method):
    web, api, stranger = [
        {key: added[key] for key in ("client_id", "client_secret")}
        for added in (server.add_client(*OF_USERS), server.add_client("--serves", server.base), server.add_client())
    ]
    oauth, token = log_in(flavour, server, "me items", web)

    def ask(client, token=token["access_token"], **more):
        asking = flavour(**client, token_endpoint_auth_method=method)
        return asking.introspect_token(server.url("/introspect"), token, **more)

    refused = ask(api | {"client_secret": "wrong"})
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert ask(stranger).json() == {"active": False}
    for hint in [None, "access_token", "refresh_token"]:
        answer = ask(api, token_type_hint=hint)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert told["active"] is True
        assert sorted(told.pop("scope").split()) == ["items", "me"]
        assert (told["token_type"], told["username"]) == ("Bearer", server.username)
        assert (told["client_id"], told["iss"], told["aud"]) == (web["client_id"], server.base, server.base)
        assert told["sub"] and told["jti"]
        assert told["iat"] <= time.time() < told["exp"] == told["iat"] + token["expires_in"]
    # A refresh token is told of to the client that got it alone.
    assert ask(api, token["refresh_token"]).json() == {"active": False}
    assert ask(web, token["refresh_token"], token_type_hint="refresh_token").json()["active"] is True
    assert oauth.revoke_token(server.url("/revoke"), token["refresh_token"]).status_code == 200
    for client, ended in [(api, token["access_token"]), (web, token["refresh_token"])]:
        assert ask(client, ended).json() == {"active": False}


@pytest.mark.parametrize("server", ["countersign_registry"], indirect=True)
@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("method", METHODS)
def test_authlib_gets_and_ends_a_token_of_a_clients_own(server, flavour, method):
    added = server.add_client("--grant-type", "client_credentials", "--scope", "items")
    client = {key: added[key] for key in ("client_id", "client_secret")}
    methods = {"token_endpoint_auth_method": method, "revocation_endpoint_auth_method": method}
    oauth = flavour(**client, **methods, scope="items", token_endpoint=server.token_url)
    token = oauth.fetch_token(grant_type="client_credentials")
    assert "refresh_token" not in token
    assert token["token_type"] == "bearer"
    answer = oauth.revoke_token(server.url("/revoke"), token["access_token"])
    assert answer.status_code == 200, answer.text
    wrong = flavour(**client | {"client_secret": "wrong"}, **methods, token_endpoint=server.token_url)
    with pytest.raises(OAuthError) as refused:
        wrong.fetch_token(grant_type="client_credentials")
    assert refused.value.error == "invalid_client"
    assert wrong.revoke_token(server.url("/revoke"), token["access_token"]).json()["error"] == "invalid_client"


@pytest.mark.parametrize("server", ["countersign_registry"], indirect=True)
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_h7_authlib_gets_a_token_with_a_key_of_its_own(server, flavour, tmp_path):
    key = ECKey.generate_key("P-256")
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    arguments = ["--jwks", str(keys), "--grant-type", "client_credentials", "--scope", "items"]
    client_id = server.add_client(*arguments)["client_id"]

    def ask(signing_key, audience=server.base, lifetime=60):
        oauth = flavour(
            client_id=client_id,
            client_secret=signing_key,
            token_endpoint_auth_method="private_key_jwt",
            token_endpoint=server.token_url,
        )
        # The audience is the issuer alone (draft-ietf-oauth-rfc7523bis §4); Authlib names it for what others expect there.
        claims = {"exp": int(time.time()) + lifetime}
        oauth.register_client_auth_method(PrivateKeyJWT(token_endpoint=audience, claims=claims, alg="ES256"))
        return oauth.fetch_token(grant_type="client_credentials")

    for _ in range(2):
        assert ask(key)["access_token"]
    other = {"signing_key": ECKey.generate_key("P-256")}
    # An hour, and the token endpoint as the audience, are what Authlib says by itself.
    for bad in [other, {"audience": server.token_url}, {"lifetime": 3600}]:
        with pytest.raises(OAuthError) as refused:
            ask(**{"signing_key": key} | bad)
        assert refused.value.error == "invalid_client"


@pytest.mark.parametrize("server", ["countersign_registry"], indirect=True)
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_e9_authlib_renews_as_the_client_that_logged_in_and_as_no_other(server, flavour):
    owner, other = [
        {key: added[key] for key in ("client_id", "client_secret")}
        for added in (server.add_client(*OF_USERS) for _ in range(2))
    ]
    oauth, token = log_in(flavour, server, "me", owner)
    stranger = flavour(**other, token_endpoint=server.token_url)
    with pytest.raises(OAuthError) as refused:
        stranger.refresh_token(server.token_url, token["refresh_token"])
    assert refused.value.error == "invalid_grant"
    renewed = oauth.refresh_token(server.token_url)
    assert renewed["refresh_token"] != token["refresh_token"]
    assert oauth.get(server.protected_url).status_code == 200


def test_e1_authlib_renews_without_blocking(server):
    import asyncio

    async def run():
        async with ASYNC_CLIENT(scope="me", token_endpoint=server.token_url) as oauth:
            first = await oauth.fetch_token(username=server.username, password=server.password)
            oauth.token = dict(first, expires_at=1)
            # Several requests at once, one renewal.
            answers = await asyncio.gather(*(oauth.get(server.protected_url) for _ in range(4)))
            assert oauth.token["refresh_token"] != first["refresh_token"]
            return [answer.status_code for answer in answers]

    assert asyncio.run(run()) == [200] * 4
