"""requests-oauthlib, with oauthlib's `LegacyApplicationClient`: how Python programs have done the password grant for years."""

import pytest
from oauthlib.oauth2 import InvalidGrantError, InvalidScopeError, LegacyApplicationClient
from oauthlib.oauth2.rfc6749.errors import MissingTokenError
from requests_oauthlib import OAuth2Session


@pytest.fixture(autouse=True)
def without_tls(monkeypatch):
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.delenv("OAUTHLIB_RELAX_TOKEN_SCOPE", raising=False)


def session(scope=None):
    return OAuth2Session(client=LegacyApplicationClient(client_id="any", scope=scope))


def log_in(server, scope=None, **more):
    oauth = session(scope)
    login = {"username": server.username, "password": server.password}
    return oauth, oauth.fetch_token(server.token_url, **login | more)


@pytest.mark.parametrize(
    "client",
    [
        pytest.param({}, id="basic-with-an-empty-secret"),
        pytest.param({"include_client_id": True}, id="client-id-in-the-form"),
        pytest.param({"include_client_id": True, "client_secret": ""}, id="client-secret-in-the-form"),
        pytest.param({"include_client_id": False}, id="no-client-id"),
    ],
)
def test_requests_oauthlib_logs_in_and_calls_a_protected_route(server, client):
    oauth, token = log_in(server, server.scopes, **client)
    assert token["token_type"] == "bearer"
    assert token["expires_in"] > 0
    answer = oauth.get(server.protected_url)
    assert answer.status_code == 200, answer.text
    assert answer.json()["username"] == server.username


@pytest.mark.parametrize("scope", [None, [], ["me"], ["items", "me"], ["me", "items"], "items me"])
def test_requests_oauthlib_raises_on_no_scope_that_is_granted(server, scope):
    _, token = log_in(server, scope)
    asked = scope.split() if isinstance(scope, str) else scope
    if asked:
        assert sorted(token.scopes) == sorted(asked)
    assert token.get("scope") != ""


@pytest.mark.parametrize("server", ["countersign"], indirect=True)
def test_requests_oauthlib_logs_in_with_a_name_and_a_password_beyond_ascii(server):
    international = server.facts["international"]
    oauth, _ = log_in(server, ["me"], **international)
    assert oauth.get(server.protected_url).json()["username"] == international["username"]


def test_requests_oauthlib_names_a_wrong_password(server):
    with pytest.raises(InvalidGrantError) as refused:
        log_in(server, password="not the password")
    assert refused.value.error == "invalid_grant"
    assert refused.value.description == "Incorrect username or password"
    assert refused.value.status_code == 400


def test_requests_oauthlib_names_an_unknown_user(server):
    with pytest.raises(InvalidGrantError):
        log_in(server, username="nobody")


def test_requests_oauthlib_names_a_scope_that_does_not_exist(server):
    with pytest.raises(InvalidScopeError):
        log_in(server, ["nonesuch"])


def test_requests_oauthlib_tells_when_less_was_granted_than_asked(server):
    """The library raises a `Warning` with the token in it: the token is good, and says what it is good for."""
    with pytest.raises(Warning, match="Scope has changed") as narrowed:
        log_in(server, ["me", "nonesuch"])
    assert narrowed.value.token["access_token"]
    assert narrowed.value.new_scope == ["me"]


def test_requests_oauthlib_never_takes_a_refusal_for_a_token(server):
    with pytest.raises(Exception) as refused:
        log_in(server, password="not the password")
    assert not isinstance(refused.value, MissingTokenError)
