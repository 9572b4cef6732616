"""A token of ours, verified by Debian's command line `jose` with nothing but our JWK set."""

import json
import subprocess

import pytest
import requests

from running import PROGRAMS

pytestmark = pytest.mark.parametrize("server", PROGRAMS, indirect=True)

# What jose 11 of Debian 12 does not know. `jose alg` says so itself, and a version that knows it fails the test.
UNKNOWN = ["EdDSA"]

TIMEOUT = 60  # seconds


def jose(*arguments, said=""):
    """Runs it. Where there is none the test fails: `scripts/setup-test.sh` brings it."""
    return subprocess.run(["jose", *arguments], input=said, capture_output=True, text=True, timeout=TIMEOUT)


@pytest.fixture
def keys(server, tmp_path):
    """Our JWK set, in a file."""
    path = tmp_path / "keys.json"
    path.write_text(requests.get(server.url("/.well-known/jwks.json"), timeout=TIMEOUT).text, encoding="utf-8")
    return path


def verify(token, keys):
    return jose("jws", "ver", "--input=-", f"--key={keys}", "--detach=-", said=token)


def turned(segment):
    """The segment with another character in its midst."""
    return segment[:8] + ("A" if segment[8] != "A" else "B") + segment[9:]


def test_c22_jose_knows_the_algorithm_or_says_that_it_does_not(server):
    known = jose("alg", "--kind=sign")
    assert known.returncode == 0, known.stderr
    assert (server.algorithm in known.stdout.split()) == (server.algorithm not in UNKNOWN)


def test_c22_jose_verifies(server, token, keys):
    head, payload, signature = token.split(".")
    assert verify(".".join([head, payload, turned(signature)]), keys).returncode != 0
    assert verify(".".join([head, turned(payload), signature]), keys).returncode != 0
    assert verify(f"{head}.{payload}.", keys).returncode != 0
    verified = verify(token, keys)
    if server.algorithm in UNKNOWN:
        assert verified.returncode != 0
        return
    assert verified.returncode == 0, verified.stderr
    claims = json.loads(verified.stdout)
    assert (claims["iss"], claims["aud"]) == (server.base, server.base)
    assert sorted(claims["scope"].split()) == sorted(server.scopes)


def test_c22_another_key_of_its_kind_verifies_nothing(server, token, tmp_path):
    other = tmp_path / "other.json"
    made = jose("jwk", "gen", "--input=-", f"--output={other}", said=json.dumps({"alg": server.algorithm}))
    if server.algorithm in UNKNOWN:
        assert made.returncode != 0
        return
    assert made.returncode == 0, made.stderr
    assert verify(token, other).returncode != 0


def test_c22_a_key_is_for_signatures_alone_and_is_named_by_its_thumbprint(server, keys):
    published = json.loads(keys.read_text(encoding="utf-8"))["keys"]
    assert [key["alg"] for key in published] == [server.algorithm]
    for key in map(json.dumps, published):
        for use in ["encrypt", "wrapKey", "deriveKey"]:
            assert jose("jwk", "use", "--input=-", f"--use={use}", said=key).returncode != 0, use
        allowed = jose("jwk", "use", "--input=-", "--use=verify", said=key)
        assert allowed.returncode == 0, allowed.stderr
        # Of a kind of key that it does not know, it prints whatever was in its memory.
        if server.algorithm not in UNKNOWN:
            thumbprint = jose("jwk", "thp", "--input=-", said=key)
            assert thumbprint.stdout.strip() == json.loads(key)["kid"], thumbprint.stderr
