"""requests-oauthlib, with oauthlib's `LegacyApplicationClient`: how Python programs have done the password grant for years."""

import pytest
import requests
from oauthlib.oauth2 import (
    BackendApplicationClient,
    InvalidClientError,
    InvalidGrantError,
    InvalidScopeError,
    LegacyApplicationClient,
    TokenExpiredError,
)
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


def test_e1_requests_oauthlib_renews_a_token_that_expired_by_itself(server):
    _, first = log_in(server, ["me"])
    kept = []
    oauth = OAuth2Session(
        client=LegacyApplicationClient(client_id="any", scope=["me"]),
        token=dict(first, expires_at=1),
        auto_refresh_url=server.token_url,
        auto_refresh_kwargs={"client_id": "any"},
        token_updater=kept.append,
    )
    answer = oauth.get(server.protected_url)
    assert answer.status_code == 200, answer.text
    [second] = kept
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    assert oauth.refresh_token(server.token_url)["refresh_token"] != second["refresh_token"]


def test_f4_requests_oauthlib_renews_no_login_that_was_ended(server):
    oauth, token = log_in(server, ["me"])
    # The library builds such a request, and leaves sending it to its user.
    url, headers, body = oauth._client.prepare_token_revocation_request(
        server.url("/revoke").replace("http:", "https:"), token["refresh_token"], "refresh_token"
    )
    answer = requests.post(url.replace("https:", "http:"), headers=headers, data=body, timeout=60)
    assert answer.status_code == 200, answer.text
    with pytest.raises(InvalidGrantError):
        oauth.refresh_token(server.token_url)
    assert oauth.get(server.protected_url).status_code == 401


@pytest.mark.parametrize("server", ["countersign_registry"], indirect=True)
@pytest.mark.parametrize("in_form", [False, True], ids=["client_secret_basic", "client_secret_post"])
def test_requests_oauthlib_gets_a_token_of_a_clients_own(server, in_form):
    added = server.add_client("--grant-type", "client_credentials", "--scope", "items")
    oauth = OAuth2Session(client=BackendApplicationClient(client_id=added["client_id"], scope=["items"]))
    with pytest.raises(InvalidClientError):
        oauth.fetch_token(server.token_url, client_secret="wrong", include_client_id=in_form)
    secret = added["client_secret"]
    token = oauth.fetch_token(server.token_url, client_secret=secret, include_client_id=in_form)
    assert token["access_token"]
    assert "refresh_token" not in token
    oauth.token = dict(token, expires_at=1)
    with pytest.raises(TokenExpiredError):
        oauth.get(server.protected_url)


@pytest.mark.parametrize("server", ["countersign_registry"], indirect=True)
def test_e1_requests_oauthlib_renews_as_a_registered_client(server):
    of_users = ["--first-party", "--grant-type", "password", "--grant-type", "refresh_token", "--any-scope"]
    added = server.add_client(*of_users)
    client_id, secret = added["client_id"], added["client_secret"]
    oauth = OAuth2Session(client=LegacyApplicationClient(client_id=client_id, scope=["me"]))
    login = {"username": server.username, "password": server.password}
    first = oauth.fetch_token(server.token_url, **login, client_secret=secret, include_client_id=True)
    with pytest.raises(InvalidGrantError):
        # As nobody in particular.
        oauth.refresh_token(server.token_url)
    second = oauth.refresh_token(server.token_url, auth=(client_id, secret))
    assert second["refresh_token"] != first["refresh_token"]
    assert oauth.get(server.protected_url).json()["username"] == server.username


@pytest.mark.parametrize("server", ["countersign_registry"], indirect=True)
def test_f7_requests_oauthlib_asks_what_a_token_is(server):
    """The library has nothing for it: a plain request through its session, by `Basic`."""
    web = server.add_client("--first-party", "--grant", "password", "--grant", "refresh_token", "--any-scope")
    api = server.add_client("--serves", server.base)
    oauth = OAuth2Session(client=LegacyApplicationClient(client_id=web["client_id"], scope=["me"]))
    login = {"username": server.username, "password": server.password}
    token = oauth.fetch_token(server.token_url, **login, client_secret=web["client_secret"])

    def post(path, client, token, **more):
        data = {"token": token} | more
        auth = (client["client_id"], client["client_secret"])
        return oauth.post(server.url(path), data=data, auth=auth, withhold_token=True)

    refused = post("/introspect", api | {"client_secret": "wrong"}, token["access_token"])
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    told = post("/introspect", api, token["access_token"], token_type_hint="access_token").json()
    assert told["active"] is True
    assert (told["token_type"], told["scope"], told["username"]) == ("Bearer", "me", server.username)
    assert (told["client_id"], told["iss"], told["aud"]) == (web["client_id"], server.base, server.base)
    assert told["sub"] and told["jti"]
    assert told["exp"] == told["iat"] + token["expires_in"]
    assert post("/revoke", web, token["access_token"]).status_code == 200
    assert post("/introspect", api, token["access_token"]).json() == {"active": False}
    # The login goes on, until it is ended too.
    renewed = oauth.refresh_token(server.token_url, auth=(web["client_id"], web["client_secret"]))
    assert post("/introspect", api, renewed["access_token"]).json()["active"] is True
    assert post("/revoke", web, renewed["refresh_token"]).status_code == 200
    assert post("/introspect", api, renewed["access_token"]).json() == {"active": False}
