"""What the program wrote into its log while all the other tests ran. It runs last."""

import base64
import json
import re
from urllib.parse import quote, quote_plus

import pytest
from conftest import ISSUED

from running import PROGRAMS


def spellings(secret):
    raw = secret.encode()
    yield from (secret, quote(secret), quote_plus(secret), quote(secret, safe=""), json.dumps(secret)[1:-1])
    yield base64.b64encode(raw).decode().rstrip("=")
    yield raw.hex()


@pytest.mark.parametrize("server", PROGRAMS, indirect=True)
def test_l1_the_log_holds_no_token_and_no_password(server, token):
    log = server.log()
    if server.facts["program"] == "countersign":
        assert "/token" in log, "a log of nothing proves nothing"
    assert not re.search(r"eyJ[\w-]{10,}\.eyJ", log), "a token"
    assert token in ISSUED
    for issued in ISSUED:
        assert issued.rsplit(".", 1)[1] not in log, "a token's signature"
    assert not re.search(r"\bcs_[a-z]+_[\w-]{20,}", log), "a refresh token, or a client's secret"
    others = server.facts.get("international", {}).values()
    for secret in ["not the password", server.password, *others]:
        # A password that is a plain word may be in the log as that word.
        if len(secret) > 6:
            for spelling in spellings(secret):
                assert spelling not in log, spelling
