"""What every answer carries, and what it does not."""

import http.client
import re
from urllib.parse import urlsplit

import pytest
import requests

OWN = [
    "/docs",
    "/docs/swagger-ui.css",
    "/docs/swagger-ui-bundle.js",
    "/docs/start.js",
    "/docs/oauth2-redirect.html",
    "/openapi.json",
    "/token",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
]


def raw(server, method, path):
    """A request with any method; the client of others refuses some."""
    connection = http.client.HTTPConnection(urlsplit(server.base).netloc, timeout=60)
    connection.request(method, path)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


@pytest.mark.parametrize("path", OWN)
def test_k2_own_answers_carry_the_headers_that_protect_them(server, path):
    answer = requests.get(server.url(path), timeout=60)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    content_type = answer.headers.get("content-type", "")
    if content_type.startswith("text/"):
        assert content_type.endswith("; charset=utf-8"), content_type
    if answer.content:
        assert content_type


def test_j8_the_docs_page_is_not_stored_and_names_no_other_host(server):
    page = requests.get(server.url("/docs"), timeout=60)
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", page.text)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert not re.search(r"script-src[^;]*unsafe-inline", policy)
    assert not re.search(r"https?://|\*", policy)


@pytest.mark.parametrize("method", ["TRACE", "CONNECTED", "PROPFIND", "DELETE"])
def test_k5_a_method_that_nobody_serves_is_405(server, method):
    for path in ["/token", "/docs", "/openapi.json", server.facts["protected"]]:
        answer = raw(server, method, path)
        assert answer.status == 405, path
        assert answer.headers["allow"], path


def test_k5_no_answer_tells_the_version_of_the_program(server):
    for path in [*OWN, server.facts["protected"], "/nowhere"]:
        answer = raw(server, "GET", path)
        assert "server" not in answer.headers, path
        assert "x-powered-by" not in answer.headers, path
        for name, value in answer.headers.items():
            assert not re.search(r"axum|hyper|countersign/", value), f"{path}: {name}: {value}"
