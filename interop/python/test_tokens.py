"""A token of ours, read by the JOSE libraries of others with nothing but our JWK set."""

import json

import jwt as pyjwt
import pytest
import requests
from joserfc import jwt as joserfc_jwt
from joserfc.errors import BadSignatureError, InvalidClaimError
from joserfc.jwk import KeySet
from jwcrypto import jwk as jwcrypto_jwk
from jwcrypto import jwt as jwcrypto_jwt

from running import PROGRAMS

pytestmark = pytest.mark.parametrize("server", PROGRAMS, indirect=True)

# RFC 9068 §2.2: the claims that an access token must have.
REQUIRED = ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"]
JWKS = "/.well-known/jwks.json"


def other_audience(claims):
    return claims["aud"] + "/other"


def forged(token):
    """The token with one bit of its signature turned."""
    head, payload, signature = token.split(".")
    first = "A" if signature[0] != "A" else "B"
    return ".".join([head, payload, first + signature[1:]])


def test_c22_pyjwt_verifies(server, token):
    key = pyjwt.PyJWKClient(server.url(JWKS), timeout=60).get_signing_key_from_jwt(token)
    rules = {
        "algorithms": [server.algorithm],
        "audience": server.base,
        "issuer": server.base,
        "options": {"require": REQUIRED, "strict_aud": True},
    }
    whole = pyjwt.decode_complete(token, key, **rules)
    assert whole["header"]["typ"] == "at+jwt"
    assert whole["header"]["alg"] == server.algorithm
    assert sorted(whole["payload"]["scope"].split()) == sorted(server.scopes)
    assert whole["payload"]["exp"] - whole["payload"]["iat"] == 900
    with pytest.raises(pyjwt.InvalidAudienceError):
        pyjwt.decode(token, key, **rules | {"audience": other_audience(whole["payload"])})
    with pytest.raises(pyjwt.InvalidIssuerError):
        pyjwt.decode(token, key, **rules | {"issuer": "https://elsewhere.example"})
    with pytest.raises(pyjwt.InvalidSignatureError):
        pyjwt.decode(forged(token), key, **rules)


def test_c22_joserfc_verifies(server, token):
    keys = KeySet.import_key_set(requests.get(server.url(JWKS), timeout=60).json())
    read = joserfc_jwt.decode(token, keys, algorithms=[server.algorithm])
    assert read.header["typ"] == "at+jwt"
    facts = {claim: {"essential": True} for claim in REQUIRED}
    facts |= {name: {"essential": True, "value": server.base} for name in ("iss", "aud")}
    joserfc_jwt.JWTClaimsRegistry(**facts).validate(read.claims)
    with pytest.raises(InvalidClaimError):
        wrong = facts | {"aud": {"essential": True, "value": other_audience(read.claims)}}
        joserfc_jwt.JWTClaimsRegistry(**wrong).validate(read.claims)
    with pytest.raises(BadSignatureError):
        joserfc_jwt.decode(forged(token), keys, algorithms=[server.algorithm])


def test_c22_jwcrypto_verifies(server, token):
    keys = jwcrypto_jwk.JWKSet.from_json(requests.get(server.url(JWKS), timeout=60).text)
    rules = {"algs": [server.algorithm], "expected_type": "JWS"}
    wanted = dict.fromkeys(REQUIRED) | {"iss": server.base, "aud": server.base}
    read = jwcrypto_jwt.JWT(jwt=token, key=keys, check_claims=wanted, **rules)
    assert json.loads(read.header)["typ"] == "at+jwt"
    with pytest.raises(jwcrypto_jwt.JWTInvalidClaimValue):
        wrong = wanted | {"aud": other_audience(json.loads(read.claims))}
        jwcrypto_jwt.JWT(jwt=token, key=keys, check_claims=wrong, **rules)
    with pytest.raises(Exception, match="[Ii]nvalid|[Vv]erif|[Mm]issing"):
        jwcrypto_jwt.JWT(jwt=forged(token), key=keys, check_claims=wanted, **rules)


def test_c22_a_key_is_named_by_its_thumbprint_and_keeps_its_secret(server):
    answer = requests.get(server.url(JWKS), timeout=60)
    assert "max-age=" in answer.headers["cache-control"]
    keys = answer.json()["keys"]
    assert keys
    for key in keys:
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & key.keys()
        assert key["use"] == "sig"
        assert key["kid"] == jwcrypto_jwk.JWK(**key).thumbprint()
