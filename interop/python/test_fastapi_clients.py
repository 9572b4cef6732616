"""Clients written for FastAPI's tutorials: a bare form, and `detail` where FastAPI has it."""

import pytest
import requests


def log_in(server, **form):
    return requests.post(server.token_url, data=form, timeout=60)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_a_login_without_grant_type_is_enough(server):
    answer = log_in(server, username=server.username, password=server.password)
    assert answer.status_code == 200, answer.text
    assert answer.json()["token_type"] == "bearer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"


def test_a_login_at_the_address_with_a_slash_is_no_redirect(server):
    form = {"username": server.username, "password": server.password}
    answer = requests.post(server.token_url + "/", data=form, allow_redirects=False, timeout=60)
    assert answer.status_code == 200, answer.text


def test_an_empty_client_is_no_client(server):
    form = {"username": server.username, "password": server.password, "client_id": "", "client_secret": ""}
    answer = requests.post(server.token_url, data=form, headers={"Authorization": "Basic Og=="}, timeout=60)
    assert answer.status_code == 200, answer.text


def test_a_token_opens_the_protected_route(server):
    token = log_in(server, username=server.username, password=server.password, scope="me items").json()["access_token"]
    answer = requests.get(server.protected_url, headers=bearer(token), timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.json()["username"] == server.username
    assert not any("password" in member or "hash" in member for member in answer.json())


@pytest.mark.parametrize("wrong", [{"password": "not the password"}, {"username": "nobody"}])
def test_a_wrong_login_has_its_reason_in_detail(server, wrong):
    answer = log_in(server, **{"username": server.username, "password": server.password} | wrong)
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "invalid_grant",
        "error_description": "Incorrect username or password",
        "detail": "Incorrect username or password",
    }
    assert answer.headers["cache-control"] == "no-store"


def test_what_is_missing_is_listed_in_detail(server):
    answer = log_in(server, grant_type="password", username=server.username)
    assert answer.status_code == 400
    body = answer.json()
    assert body["error"] == "invalid_request"
    assert body["detail"] == [
        {"type": "missing", "loc": ["body", "password"], "msg": "Field required", "input": None}
    ]


def test_no_token_is_not_authenticated(server):
    answer = requests.get(server.protected_url, timeout=60)
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Not authenticated"}
    assert answer.headers["www-authenticate"] == 'Bearer realm="api"'


def test_a_bad_token_could_not_be_validated(server):
    answer = requests.get(server.protected_url, headers=bearer("johndoe"), timeout=60)
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Could not validate credentials", "error": "invalid_token"}
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_a_scope_that_is_missing_is_not_enough(server, document):
    """Wherever the document asks for scopes, a token without any is not enough."""
    token = log_in(server, username=server.username, password=server.password).json()["access_token"]
    for path, methods in document["paths"].items():
        security = methods.get("get", {}).get("security", [])
        if not security or not all(any(scheme.values()) for scheme in security):
            continue
        answer = requests.get(server.url(path), headers=bearer(token), timeout=60)
        assert answer.status_code == 403, path
        assert answer.json() == {"detail": "Not enough permissions", "error": "insufficient_scope"}
        needed = " ".join(security[0]["OAuth2PasswordBearer"])
        assert f'error="insufficient_scope", scope="{needed}"' in answer.headers["www-authenticate"]
