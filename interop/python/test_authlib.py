"""Authlib, in its flavours for requests and for httpx2."""

import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Client
from authlib.integrations.requests_client import OAuth2Session

FLAVOURS = [pytest.param(OAuth2Session, id="requests"), pytest.param(OAuth2Client, id="httpx2")]


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
    oauth, _ = log_in(OAuth2Session, server, "me", **international)
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
        async with AsyncOAuth2Client(scope="me", token_endpoint=server.token_url) as oauth:
            await oauth.fetch_token(username=server.username, password=server.password)
            return await oauth.get(server.protected_url)

    answer = asyncio.run(run())
    assert answer.status_code == 200, answer.text
