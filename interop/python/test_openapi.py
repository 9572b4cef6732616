"""The OpenAPI document and the behaviour, compared from outside."""

import subprocess
import sys
from pathlib import Path

import pytest
import requests
from conftest import log_in
from running import Running

METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"]


def operations(document):
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield method, path, item[method].get("security", document.get("security", []))


def call(server, method, path, **more):
    return requests.request(method, server.url(path), allow_redirects=False, timeout=60, **more)


def test_b12_what_the_document_locks_is_locked_and_nothing_else(server, document):
    checked = 0
    for method, path, security in operations(document):
        answer = call(server, method, path)
        locked = bool(security) and {} not in security
        assert (answer.status_code == 401) == locked, f"{method} {path}: {security}, yet {answer.status_code}"
        if locked:
            assert answer.headers["www-authenticate"].startswith("Bearer ")
            assert "401" in document["paths"][path][method]["responses"]
        checked += 1
    assert checked >= 2, "the document should tell of the token endpoint and of a protected route"


def test_b12_every_scope_that_an_operation_needs_is_declared(server, document):
    flows = document["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]
    declared = flows["password"]["scopes"]
    assert set(server.scopes) == set(declared)
    for method, path, security in operations(document):
        for requirement in security:
            for scope in requirement.get("OAuth2PasswordBearer", []):
                assert scope in declared, f"{method} {path} needs {scope}"


def test_b12_a_token_with_all_scopes_opens_every_locked_operation(server, document):
    for method, path, security in operations(document):
        if security:
            # Some of them end the login that they are called with: each gets one of its own.
            token = log_in(server)
            answer = call(server, method, path, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code not in (401, 403), f"{method} {path}: {answer.status_code} {answer.text}"


@pytest.mark.parametrize("form", ["valid", "wrong password", "empty"])
def test_b12_the_token_endpoint_answers_as_the_document_says(server, document, form):
    fields = {
        "valid": {"username": server.username, "password": server.password},
        "wrong password": {"username": server.username, "password": "not the password"},
        "empty": {},
    }
    flow = document["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]["password"]
    url = requests.compat.urljoin(server.url("/openapi.json"), flow["tokenUrl"])
    answer = requests.post(url, data=fields[form], timeout=60)
    described = document["paths"]["/token"]["post"]["responses"]
    assert str(answer.status_code) in described
    schema = described[str(answer.status_code)]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
    members = document["components"]["schemas"][schema]
    assert set(members["required"]) <= answer.json().keys() <= members["properties"].keys()


def test_b12_schemathesis_finds_no_disagreement(server, document, tmp_path):
    # A server of its own: it guesses passwords, which the others would wait for, and ends the logins it finds.
    attacked = Running(server.name, called=f"{server.name}.schemathesis")
    try:
        schemathesis(attacked, document, tmp_path)
    finally:
        assert attacked.stop() == 0, attacked.log()[-2000:]


def schemathesis(server, document, tmp_path):
    program = Path(sys.executable).with_name("schemathesis")
    token = log_in(server)
    command = [program, "run", server.url("/openapi.json"), "--header", f"Authorization: Bearer {token}"]
    command += ["--request-timeout", "60"]
    command += ["--checks", "all", "--phases", "examples,coverage,fuzzing"]
    command += ["--max-examples", "20", "--seed", "1", "--continue-on-failure", "--warnings", "off"]
    # What a request has beside its parameters is ignored (RFC 6749 §3.1), and no fault of it.
    (tmp_path / "schemathesis.toml").write_text("[generation]\nallow-extra-parameters = false\n", encoding="utf-8")
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1200)
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]
    assert f"Tested: {sum(1 for _ in operations(document))}" in ran.stdout, ran.stdout[-3000:]
