from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from mirror.errors import Misbehaved, Refused, Side, Unreachable
from mirror.registry.credentials import Credentials, Secret
from mirror.registry.tls import TlsOptions
from mirror.settings import MAX_TOKEN_ANSWER
from tests.fakes.auth import Bearer
from tests.fakes.behaviours import answer, cut, redirect, with_headers
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.reach import (
    CANARY,
    IMAGE,
    REPOSITORY,
    TAG,
    blob_of,
    fault_of,
    reach,
    seeded,
    somebody,
    words,
)

TOKEN = "^/token"


@pytest.fixture(autouse=True)
def filled(fake: FakeRegistry) -> None:
    fake.add(REPOSITORY, TAG, IMAGE)


def test_anonymous_pull_needs_a_token_and_no_name(fake: FakeRegistry) -> None:
    fake.require_bearer()
    with reach(fake.host) as client:
        assert client.manifest(REPOSITORY, TAG) == seeded()
        assert client.requests == 3
    token = next(seen for seen in fake.requests if seen.path.startswith("/token"))
    assert "authorization" not in token.headers
    assert "service=fake" in token.path
    assert "scope=repository%3Atkg%2Fpause%3Apull" in token.path


@pytest.mark.parametrize(
    "first",
    [(), ('Basic realm="x, Bearer y"',), ("Negotiate",), ('Digest realm="x", nonce="a,b"',)],
)
@pytest.mark.parametrize("quoted", [True, False])
def test_bearer_is_found_among_other_challenges(
    fake: FakeRegistry, first: tuple[str, ...], quoted: bool
) -> None:
    fake.gate = Bearer(f"{fake.url}/token", first=first, quoted=quoted)
    with reach(fake.host) as client:
        assert client.manifest(REPOSITORY, TAG) == seeded()


def test_eight_workers_fetch_one_token_between_them(fake: FakeRegistry) -> None:
    fake.require_bearer(ann=CANARY)
    with reach(fake.host, given=somebody()) as client, ThreadPoolExecutor(8) as crew:
        names = [TAG] * 24
        found = list(crew.map(lambda name: client.manifest(REPOSITORY, name), names))
    assert found == [seeded()] * 24
    assert fake.count("GET", TOKEN) == 1


def test_each_repository_gets_a_token_of_its_own(fake: FakeRegistry) -> None:
    fake.add("tkg/other", TAG, IMAGE)
    fake.require_bearer()
    with reach(fake.host) as client:
        for _ in range(2):
            for repository in (REPOSITORY, "tkg/other"):
                assert client.manifest(repository, TAG) == seeded()
    assert fake.count("GET", TOKEN) == 2


def test_a_token_that_ended_is_renewed_on_the_spot(fake: FakeRegistry) -> None:
    gate = fake.require_bearer()
    with reach(fake.host) as client:
        for _ in range(3):
            assert client.manifest(REPOSITORY, TAG) == seeded()
            gate.expire()
        assert client.tagged(REPOSITORY, TAG) == seeded().digest
    assert fake.count("GET", TOKEN) == 4


@pytest.mark.parametrize("name", ["ann", "nobody"])
def test_a_wrong_password_is_a_refusal_and_asked_once(fake: FakeRegistry, name: str) -> None:
    fake.require_bearer(ann="other")
    with reach(fake.host, given=somebody(name)) as client:
        fault = fault_of(Refused, client.manifest, REPOSITORY, TAG)
    assert "wrong user name" in fault.fact
    assert fake.count("GET", TOKEN) == 1


@pytest.mark.parametrize("scheme", ["bearer", "basic"])
def test_eight_workers_try_a_wrong_password_once_between_them(
    fake: FakeRegistry, scheme: str
) -> None:
    names = [f"tkg/{n}" for n in range(24)]
    for name in names:
        fake.add(name, TAG, IMAGE)
    if scheme == "bearer":
        fake.require_bearer(ann="other")
    else:
        fake.require_basic("ann", "other")
    with reach(fake.host, given=somebody()) as client, ThreadPoolExecutor(8) as crew:
        found = list(crew.map(lambda n: fault_of(Refused, client.manifest, n, TAG), names))
    assert {fault.what for fault in found} == {f"cannot log in at {fake.host}"}
    assert len(fake.leaked()) == 1


def test_a_token_without_the_right_is_a_refusal_and_no_loop(fake: FakeRegistry) -> None:
    fake.require_bearer()
    with reach(fake.host, side=Side.DESTINATION) as client:
        fault_of(Refused, client.upload, REPOSITORY, blob_of(b"x"), iter([b"x"]))
    assert len(fake.requests) <= 4


def test_basic_is_sent_once_it_was_asked_for(fake: FakeRegistry) -> None:
    fake.require_basic("ann", CANARY)
    with reach(fake.host, given=somebody()) as client:
        assert client.manifest(REPOSITORY, TAG) == seeded()
        assert client.tagged(REPOSITORY, TAG) == seeded().digest
    assert [seen.status for seen in fake.requests] == [401, 200, 200, 200]
    assert fake.requests[1].path == "/v2/"
    pair = base64.b64encode(f"ann:{CANARY}".encode()).decode()
    assert set(fake.leaked()) == {f"Basic {pair}"}


def test_basic_for_nobody_is_a_refusal(fake: FakeRegistry) -> None:
    fake.require_basic("ann", "other")
    for given in (None, somebody(), somebody("<token>", identity=True)):
        with reach(fake.host, given=given) as client:
            fault_of(Refused, client.manifest, REPOSITORY, TAG)


def test_an_identity_token_is_posted(fake: FakeRegistry) -> None:
    gate = fake.require_bearer()
    gate.refresh_tokens = frozenset({CANARY})
    gate.anonymous = frozenset()
    with reach(fake.host, given=somebody("<token>", identity=True)) as client:
        assert client.manifest(REPOSITORY, TAG) == seeded()
    assert fake.count("POST", TOKEN) == 1
    assert not [seen for seen in fake.requests if CANARY in seen.path]


# --- realms -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "realm",
    [
        "{other}/token",
        "//{other_host}/token",
        "http://localhost:{port}/token",
        "https://{own}/token",
    ],
)
def test_a_realm_elsewhere_gets_nothing_at_all(fake: FakeRegistry, realm: str) -> None:
    with FakeRegistry() as other, reach(fake.host, given=somebody()) as client:
        port = fake.host.rpartition(":")[2]
        names = {"other": other.url, "other_host": other.host, "own": fake.host, "port": port}
        fake.gate = Bearer(realm.format(**names), users={"ann": CANARY})
        fault = fault_of(Misbehaved, client.manifest, REPOSITORY, TAG)
        assert "log in" in fault.what
        assert not other.requests
    assert not fake.leaked()
    assert len(fake.requests) == 1


def test_a_realm_over_plain_http_gets_nothing_from_a_tls_registry(
    safe: FakeRegistry, fake: FakeRegistry, trust: TlsOptions
) -> None:
    for realm in (f"{fake.url}/token", f"http://{safe.host}/token"):
        safe.gate = Bearer(realm, users={"ann": CANARY})
        with reach(safe.host, tls=trust, given=somebody()) as client:
            assert "steps down" in fault_of(Misbehaved, client.manifest, REPOSITORY, TAG).fact
    assert not fake.requests


def test_a_token_service_that_redirects_is_not_followed(fake: FakeRegistry) -> None:
    fake.require_bearer(ann=CANARY)
    with FakeRegistry() as other, reach(fake.host, given=somebody()) as client:
        fake.on("GET", TOKEN, redirect(other.url))
        fault_of(Misbehaved, client.manifest, REPOSITORY, TAG)
        assert not other.requests


# --- token answers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"token":"a","token":"b"}',
        b'{"token":"a\\nX-Evil: 1"}',
        b'{"token":"","access_token":""}',
        b'{"token":7}',
        json.dumps({"token": "x" * MAX_TOKEN_ANSWER}).encode(),
        b'{"token":' + b"[" * 10_000,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_token_answer_that_is_none_is_the_registrys_fault(
    fake: FakeRegistry, body: bytes
) -> None:
    fake.require_bearer()
    fake.on("GET", TOKEN, answer(200, body=body))
    with reach(fake.host) as client:
        fault_of(Misbehaved, client.manifest, REPOSITORY, TAG)


def test_a_broken_token_answer_is_not_quoted(fake: FakeRegistry) -> None:
    fake.require_bearer()
    fake.on("GET", TOKEN, answer(200, body=b'{"token":"canary-7f3a"'))
    with reach(fake.host) as client:
        assert CANARY not in words(fault_of(Misbehaved, client.manifest, REPOSITORY, TAG))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Refused), (403, Refused), (404, Misbehaved), (400, Misbehaved), (503, Unreachable)],
)
def test_a_token_service_that_fails_is_never_a_missing_image(
    fake: FakeRegistry, status: int, kind: type[Refused]
) -> None:
    fake.require_bearer()
    fake.on("GET", TOKEN, answer(status))
    with reach(fake.host) as client:
        fault_of(kind, client.manifest, REPOSITORY, TAG)
        fault_of(kind, client.tagged, REPOSITORY, TAG)


def test_a_token_answer_encoded_or_cut(fake: FakeRegistry) -> None:
    fake.require_bearer()
    fake.on("GET", TOKEN, with_headers(Content_Encoding="gzip"), nth=1)
    fake.on("GET", TOKEN, cut(5), nth=2)
    with reach(fake.host) as client:
        fault_of(Misbehaved, client.manifest, REPOSITORY, TAG)
        fault_of(Unreachable, client.manifest, REPOSITORY, TAG)
        assert client.manifest(REPOSITORY, TAG) == seeded()


@pytest.mark.parametrize("echo", ["Basic {pair}", "{password}", "Authorization: Basic {pair}"])
def test_a_registry_that_echoes_credentials_does_not_get_them_shown(
    fake: FakeRegistry, echo: str
) -> None:
    fake.require_basic("ann", CANARY)
    pair = base64.b64encode(f"ann:{CANARY}".encode()).decode()
    said = echo.format(pair=pair, password=CANARY)
    body = json.dumps({"errors": [{"code": "X", "message": said}]}).encode()
    fake.on("GET", "/manifests/", answer(503, body=body), nth=2)
    with reach(fake.host, given=somebody()) as client:
        fault = fault_of(Unreachable, lambda: client.manifest(REPOSITORY, TAG))
    assert CANARY not in words(fault)
    assert pair not in words(fault)
    assert "***" in words(fault)


@pytest.mark.parametrize("password", ['p&ss<w"ord+/1', "pass\\word", "pässwörd", "plain-password"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_an_echoed_password_is_masked_however_it_was_escaped(
    fake: FakeRegistry, password: str, ascii_only: bool
) -> None:
    fake.require_basic("ann", password)
    coded = base64.b64encode(f"ann:{password}".encode()).decode().rstrip("=")
    said = f"bad {password} and \u200b{coded[:9]}\u200b{coded[9:]}"
    body = json.dumps({"errors": [{"code": "X", "message": said}]}, ensure_ascii=ascii_only)
    # The first request is told to log in, and the next one carries the password.
    fake.on("GET", "/manifests/", answer(500, body=body.encode()), nth=2)
    given = Credentials("ann", Secret(password))
    with reach(fake.host, given=given) as client:
        fault = fault_of(Unreachable, client.manifest, REPOSITORY, TAG)
    assert "bad ***" in fault.fact
    assert password not in words(fault)
    assert coded not in words(fault)


def test_giving_an_upload_back_waits_for_no_token(fake: FakeRegistry) -> None:
    """A silent token service held the end of a run up for a whole timeout."""
    gate = fake.require_bearer(ann=CANARY)
    with reach(fake.host, side=Side.DESTINATION, given=somebody(), timeout=60.0) as sink:
        assert not sink.mount(REPOSITORY, blob_of(b"x"), "tkg/other")
        gate.expire()
        asked = fake.count("GET", "^/token")
    assert fake.count("DELETE", "/uploads/") == 1
    assert fake.count("GET", "^/token") == asked
