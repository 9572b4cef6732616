"""Tokens of ours at an API in another language: the FastAPI app of `fastapi_api/`, with nothing but our JWK set."""

import base64
import datetime
import hmac
import json
import socket
import time

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi.testclient import TestClient

from fastapi_api.main import api
from running import PROGRAMS

ours = pytest.mark.parametrize("server", PROGRAMS, indirect=True)

ISSUER = "https://login.example.com"
AUDIENCE = "https://items.example.com"


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """An app that waits for its issuer as long as a busy machine takes."""
    monkeypatch.setattr("fastapi_api.main.TIMEOUT", 60)


def get(app, path, token):
    return TestClient(app).get(path, headers={"Authorization": f"Bearer {token}"})


def assert_invalid(answer):
    assert answer.status_code == 401, answer.text
    assert answer.json() == {"detail": "Could not validate credentials"}
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def assert_insufficient(answer, needed):
    assert answer.status_code == 403, answer.text
    assert answer.headers["www-authenticate"] == f'Bearer error="insufficient_scope", scope="{needed}"'


def issue(server, scope):
    form = {"username": server.username, "password": server.password, "scope": scope}
    answer = requests.post(server.token_url, data=form, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def at_clock(monkeypatch, seconds):
    """Gives PyJWT another time."""

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.datetime.fromtimestamp(seconds, tz)

    monkeypatch.setattr("jwt.api_jwt.datetime", Clock)


@ours
def test_c22_a_fastapi_app_takes_our_tokens(server, token):
    app = api(server.base, server.base)
    assert TestClient(app).get("/items").status_code == 401
    subject = jwt.decode(token, options={"verify_signature": False})["sub"]
    items = get(app, "/items", token)
    assert (items.status_code, items.json()) == (200, [{"item_id": "Foo", "owner": subject}])
    own = get(app, "/me/items", token)
    assert (own.status_code, own.json()) == (200, [{"item_id": "Bar", "owner": subject}])


@ours
def test_c22_a_fastapi_app_refuses_what_is_not_for_it_or_was_altered(server, token):
    assert_invalid(get(api(server.base, server.base + "/other"), "/items", token))
    # The same key set at another address: only the name of the issuer differs.
    elsewhere = server.base.replace("127.0.0.1", "localhost")
    assert_invalid(get(api(elsewhere, server.base), "/items", token))
    app = api(server.base, server.base)
    head, payload, signature = token.split(".")
    turned = ("A" if signature[0] != "A" else "B") + signature[1:]
    claims = json.loads(base64.urlsafe_b64decode(payload + "==")) | {"scope": "me items admin"}
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    unsigned = jwt.encode(claims, None, algorithm="none", headers=jwt.get_unverified_header(token) | {"alg": "none"})
    for bad in [f"{head}.{payload}.{turned}", f"{head}.{forged}.{signature}", f"{head}.{payload}.", unsigned, "x"]:
        assert_invalid(get(app, "/items", bad))
    assert get(app, "/items", token).status_code == 200


@ours
def test_c22_a_fastapi_app_refuses_what_has_expired(server, token, monkeypatch):
    app = api(server.base, server.base)
    assert get(app, "/items", token).status_code == 200
    at_clock(monkeypatch, time.time() + 15 * 60 + 6)
    assert_invalid(get(app, "/items", token))


@ours
def test_c22_a_fastapi_app_wants_each_scope(server):
    app = api(server.base, server.base)
    for scope, items, own in [("", 403, 403), ("me", 403, 403), ("items", 200, 403), ("me items", 200, 200)]:
        token = issue(server, scope)
        answers = [get(app, "/items", token), get(app, "/me/items", token)]
        assert [answer.status_code for answer in answers] == [items, own], scope
        for answer, needed in zip(answers, ["items", "items me"], strict=True):
            if answer.status_code == 403:
                assert_insufficient(answer, needed)


@pytest.fixture
def sign(monkeypatch):
    """An issuer whose key the test holds: a good token, but for what is asked. Meanwhile no time passes."""
    now = int(time.time())
    at_clock(monkeypatch, now)
    key = ec.generate_private_key(ec.SECP256R1())
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    unusual = ec.generate_private_key(ec.SECP384R1())
    also = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(unusual.public_key())) | {"kid": "3", "alg": "ES384"}
    keys = {"keys": [public | {"kid": "1", "alg": "ES256", "use": "sig"}, also]}
    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", lambda self: keys)
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def sign(claims=None, header=None, key=key, algorithm="ES256"):
        good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "client_id": "app", "jti": "1", "scope": "me items"}
        said = good | {"iat": now, "exp": now + 60} | (claims or {})
        said = {name: value for name, value in said.items() if value is not None}
        head = {"typ": "at+jwt", "kid": "1"} | (header or {})
        if head["kid"] is None:
            del head["kid"]
        return jwt.encode(said, key, algorithm=algorithm, headers=head)

    sign.public, sign.unusual, sign.now = pem, unusual, now
    return sign


def test_a_fastapi_app_wants_an_access_token_with_every_claim(sign):
    app = api(ISSUER, AUDIENCE)
    for typ in ["JWT", "at+jwt2", "", None, "dpop+jwt"]:
        assert_invalid(get(app, "/items", sign(header={"typ": typ})))
    for claim in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"]:
        assert_invalid(get(app, "/items", sign({claim: None})))
    now = sign.now
    wrong = [
        {"iss": ISSUER + "/"},
        {"aud": AUDIENCE + "/"},
        {"aud": []},
        {"exp": now - 6},
        {"nbf": now + 60},
        {"iat": now + 60},
        {"exp": "soon"},
        {"sub": 1},
        {"scope": ["items"]},
    ]
    for claims in wrong:
        assert_invalid(get(app, "/items", sign(claims)))
    for good in [{}, {"aud": [AUDIENCE, "https://other.example.com"]}, {"exp": now - 1}]:
        assert get(app, "/items", sign(good)).status_code == 200, good
    assert get(app, "/items", sign(header={"typ": "application/AT+jwt"})).status_code == 200
    assert_insufficient(get(app, "/items", sign({"scope": None})), "items")
    assert_insufficient(get(app, "/items", sign({"scope": "item items2"})), "items")


def test_a_fastapi_app_wants_the_keys_own_algorithm(sign):
    app = api(ISSUER, AUDIENCE)
    other = ec.generate_private_key(ec.SECP256R1())
    assert_invalid(get(app, "/items", sign(key=other)))
    assert_invalid(get(app, "/items", sign(header={"kid": "2"})))
    assert_invalid(get(app, "/items", sign(header={"kid": None})))
    # Its issuer publishes that key, and the app never said that it takes such signatures.
    assert_invalid(get(app, "/items", sign(key=sign.unusual, header={"kid": "3"}, algorithm="ES384")))
    # The public key as the secret of a MAC.
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"at+jwt","kid":"1"}').rstrip(b"=").decode()
    payload = sign().split(".")[1]
    mac = hmac.digest(sign.public, f"{head}.{payload}".encode(), "sha256")
    assert_invalid(get(app, "/items", f"{head}.{payload}." + base64.urlsafe_b64encode(mac).rstrip(b"=").decode()))


def test_a_fastapi_app_survives_what_is_no_token(sign):
    app = api(ISSUER, AUDIENCE)
    nested = base64.urlsafe_b64encode(b"[" * 9_000).decode()
    for bad in ["x", "..", "a.b.c", f"{nested}.e30.x", f"e30.{nested}.x", "é.é.é"]:
        answer = TestClient(app).get("/items", headers={"Authorization": b"Bearer " + bad.encode("latin-1")})
        assert_invalid(answer)
    assert get(app, "/items", sign({"more": "x" * 8_000})).status_code == 200
    assert_invalid(get(app, "/items", sign({"more": "x" * 17_000})))


def test_a_fastapi_app_takes_no_client_for_a_user(sign):
    app = api(ISSUER, AUDIENCE)
    clients = sign({"sub": "app"})
    assert get(app, "/items", clients).status_code == 200
    assert_invalid(get(app, "/me/items", clients))
    assert get(app, "/me/items", sign()).status_code == 200


def test_a_fastapi_app_does_not_call_a_token_bad_while_the_issuer_is_away(sign, monkeypatch):
    token = sign()
    monkeypatch.undo()
    with socket.socket() as closed:
        # Bound, and listening to nobody.
        closed.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{closed.getsockname()[1]}"
        answer = get(api(away, AUDIENCE), "/items", token)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), answer.text
    for odd in [{}, {"keys": []}, []]:
        monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", lambda self, odd=odd: odd)
        assert get(api(ISSUER, AUDIENCE), "/items", token).status_code == 503, odd


def test_a_fastapi_app_documents_its_locks():
    client = TestClient(api(ISSUER, AUDIENCE))
    assert client.get("/docs").status_code == 200
    paths = client.get("/openapi.json").json()["paths"]
    assert "security" not in paths["/status"]["get"]
    assert paths["/items"]["get"]["security"] == [{"HTTPBearer": ["items"]}]
    assert paths["/me/items"]["get"]["security"] == [{"HTTPBearer": ["items", "me"]}]
