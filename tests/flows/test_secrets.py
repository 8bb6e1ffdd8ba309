"""Canaries in every place where a secret comes from, and a look into every place it could go to.

Each run tells all it can (``--log-level debug``); how it is searched stands in `canaries`.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from scripts.world.images import Image
from tests.fakes.behaviours import Behaviour, Go, answer, stall
from tests.fakes.message import Reply, Request
from tests.fakes.simple import FakeRegistry
from tests.flows.canaries import (
    PASSWORD,
    PROXY,
    REFRESH,
    SIGNED,
    SOURCES,
    STATE,
    TOKEN,
    USER,
    Run,
    Tokens,
    by_environment,
    by_identity,
    by_stdin,
    echo,
    echoes,
)
from tests.flows.cli import Ran, listed, run, stock
from tests.mirror.registry.peers import Peer

SAYS_ALL = ("--log-level", "debug", "--retries", 0, "-j", 2)
FORMS = {
    "text": (),
    "JSON": ("--log-format", "json", "--format", "json"),
}


@pytest.fixture
def a_run(tmp_path: Path, clean_environment: None) -> Run:
    folder, home = tmp_path / "work", Path(os.environ["HOME"])
    folder.mkdir()
    return Run(folder, home)


@pytest.fixture
def images(fake: FakeRegistry) -> dict[str, Image]:
    return stock(fake, 2)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "x.tar"
    with FakeRegistry() as source:
        names, own = listed(source, stock(source, 2), path.parent), f"{source.host}/tkg"
        line = ("bundle", "create", "--images", names, "--source-repo", own, "--plain-http")
        assert run(*line, "-o", path).code == 0
    return path


def create(run: Run, fake: FakeRegistry, images: dict[str, Image], *more: object) -> Ran:
    names = listed(fake, images, run.folder)
    line = ("bundle", "create", "--images", names, "-o", run.folder / "x.tar")
    return run(*line, *SAYS_ALL, *more)


def push(run: Run, bundle: Path, fake: FakeRegistry, *more: object) -> Ran:
    return run("bundle", "push", bundle, f"{fake.host}/air", *SAYS_ALL, *more)


@pytest.mark.parametrize("given", SOURCES)
def test_a_run_that_succeeds_keeps_what_it_was_given_to_itself(
    given: Callable[[Run, str], None], a_run: Run, fake: FakeRegistry, images: dict[str, Image]
) -> None:
    fake.gate = Tokens(f"{fake.url}/token")
    given(a_run, fake.host)
    assert create(a_run, fake, images, "--plain-http", *FORMS["JSON"]).code == 0
    pushed = push(a_run, a_run.folder / "x.tar", fake, "--plain-http")
    assert pushed.code == 0, pushed.err


def test_a_plan_holds_no_secret(a_run: Run, fake: FakeRegistry, images: dict[str, Image]) -> None:
    fake.gate = Tokens(f"{fake.url}/token")
    by_environment(a_run, fake.host)
    names = listed(fake, images, a_run.folder)
    line = ("bundle", "plan", "--images", names, "--plain-http", "--log-level", "debug")
    assert a_run(*line, "-o", a_run.folder / "plan.json").code == 0
    assert (a_run.folder / "plan.json").exists()


# --- how runs end -------------------------------------------------------------------------------


def refused(fake: FakeRegistry, _run: Run) -> None:
    fake.gate = Tokens(f"{fake.url}/token")
    fake.on("*", "^/token$", echoes(401))


def forbidden(fake: FakeRegistry, _run: Run) -> None:
    fake.on("GET", "/manifests/", echoes(403))
    fake.on("POST", "/uploads/", echoes(403))


def broken(fake: FakeRegistry, _run: Run) -> None:
    fake.on("GET", "/blobs/", echoes(500))
    fake.on("POST", "/uploads/", echoes(500))


def token_service_broken(fake: FakeRegistry, _run: Run) -> None:
    fake.on("*", "^/token$", echoes(500))


def token_answer_is_no_token(fake: FakeRegistry, _run: Run) -> None:
    body = json.dumps({"refresh_token": REFRESH, "token": f"{TOKEN} {PASSWORD}"}).encode()
    fake.on("*", "^/token$", answer(200, body=body))


def token_answer_is_no_json(fake: FakeRegistry, _run: Run) -> None:
    fake.on("*", "^/token$", lambda request, _go: Reply(200, {}, echo(request).encode()))


def a_realm_with_secrets(fake: FakeRegistry, _run: Run) -> None:
    realm = f"{fake.url.replace('://', f'://ann:{PASSWORD}@')}/token?sig={SIGNED}"
    fake.gate = Tokens(realm)


def a_realm_elsewhere(fake: FakeRegistry, _run: Run) -> None:
    fake.gate = Tokens(f"http://127.0.0.2:9/token?sig={SIGNED}")


def interrupted(fake: FakeRegistry, run: Run) -> None:
    run.number = signal.SIGINT
    run.when = fake.on("*", "/(blobs|uploads)/", stall(0))


def echoed_in_a_header(fake: FakeRegistry, _run: Run) -> None:
    def behave(request: Request, go: Go) -> Reply:
        reply = go()
        # A line without a colon of its own: the parser quotes it when it gives up.
        line = f"x\r\n{request.headers.get('authorization', '')}"
        return Reply(reply.status, {**reply.headers, "X-Echo": line}, reply.body)

    fake.on("*", "/(blobs|uploads)/", behave)


ENDS: dict[str, tuple[Callable[[FakeRegistry, Run], None], int]] = {
    "401 and the echo of the request": (refused, 5),
    "403 and the echo of the request": (forbidden, 5),
    "500 and the echo of the request": (broken, 4),
    "the token service fails": (token_service_broken, 4),
    "the token answer is no token": (token_answer_is_no_token, 4),
    "the token answer is no JSON": (token_answer_is_no_json, 4),
    "the realm has a password in it": (a_realm_with_secrets, 4),
    "the realm is elsewhere": (a_realm_elsewhere, 4),
    "an echo that is no header": (echoed_in_a_header, 4),
    "an interrupt": (interrupted, 130),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(("given", "form"), [(by_stdin, "text"), (by_identity, "JSON")])
def test_a_create_that_fails_tells_no_secret(
    given: Callable[[Run, str], None],
    end: str,
    form: str,
    a_run: Run,
    fake: FakeRegistry,
    images: dict[str, Image],
) -> None:
    fake.gate = Tokens(f"{fake.url}/token")
    given(a_run, fake.host)
    arrange, code = ENDS[end]
    arrange(fake, a_run)
    ended = create(a_run, fake, images, "--plain-http", *FORMS[form])
    assert ended.code == code, ended.err


@pytest.mark.parametrize("end", ENDS)
def test_a_push_that_fails_tells_no_secret(
    end: str, a_run: Run, fake: FakeRegistry, bundle: Path
) -> None:
    fake.gate = Tokens(f"{fake.url}/token")
    by_environment(a_run, fake.host)
    arrange, code = ENDS[end]
    arrange(fake, a_run)
    ended = push(a_run, bundle, fake, "--plain-http", *FORMS["JSON"])
    assert ended.code == code, ended.err


# --- signed URLs --------------------------------------------------------------------------------

QUERY = f"X-Amz-Credential=ann&X-Amz-Signature={SIGNED}"
STORES: dict[str, tuple[Behaviour, int]] = {
    "it gives the blob": (lambda _request, go: go(), 0),
    "it answers 403 and echoes": (echoes(403), 4),
    "it answers 500 and echoes": (echoes(500), 4),
    "it cuts the blob": (lambda _request, go: replace(go(), cut_after=10), 4),
    "it sends the client on to nowhere": (
        lambda _request, _go: Reply(307, {"Location": f"gopher://127.0.0.1/?{QUERY}"}),
        4,
    ),
    "it sends the client to a port that is none": (
        lambda _request, _go: Reply(307, {"Location": f"http://ann:{PASSWORD}@[x/?{QUERY}"}),
        4,
    ),
}


@pytest.mark.parametrize("store", STORES)
def test_the_query_of_a_signed_url_is_shown_nowhere(
    store: str, a_run: Run, fake: FakeRegistry, images: dict[str, Image]
) -> None:
    behaviour, code = STORES[store]
    with FakeRegistry() as other:
        other.store.repositories = fake.store.repositories
        other.on("GET", "/", behaviour)

        def redirect(request: Request, _go: Go) -> Reply:
            return Reply(307, {"Location": f"{other.url}{request.path}?{QUERY}"})

        fake.on("GET", "/blobs/", redirect)
        ended = create(a_run, fake, images, "--plain-http", *FORMS["JSON"])
        assert [seen for seen in other.requests if SIGNED in seen.path]
    assert ended.code == code, ended.err


@pytest.mark.parametrize("status", [201, 403, 500])
def test_the_query_of_an_upload_session_is_shown_nowhere(
    status: int, a_run: Run, fake: FakeRegistry, bundle: Path
) -> None:
    def signed(_request: Request, go: Go) -> Reply:
        reply = go()
        location = f"{reply.headers['Location']}&token={STATE}"
        return replace(reply, headers={**reply.headers, "Location": location})

    fake.on("POST", "/uploads/", signed)
    if status != 201:
        fake.on("PUT", "/uploads/", echoes(status))
    ended = push(a_run, bundle, fake, "--plain-http", *FORMS["JSON"])
    assert [seen for seen in fake.requests if STATE in seen.path]
    assert ended.code == {201: 0, 403: 5, 500: 4}[status]


# --- proxies, keys ------------------------------------------------------------------------------


PROXIES: dict[str, Callable[[str], bytes]] = {
    "it wants another password": lambda asked: _http(407, asked),
    "it answers 502 and echoes": lambda asked: _http(502, asked),
    "it speaks no HTTP": lambda asked: asked.encode(),
    "it says nothing": lambda _asked: b"",
}


def _http(status: int, text: str) -> bytes:
    body = json.dumps({"errors": [{"code": "PROXY", "message": text}]}).encode()
    head = f"HTTP/1.1 {status} No\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("proxy", PROXIES)
def test_the_password_of_a_proxy_is_shown_nowhere(proxy: str, scheme: str, a_run: Run) -> None:
    def script(connection: socket.socket) -> None:
        (asked,) = re.findall("(?i)proxy-authorization: (.+)\r", peer.seen[-1].decode())
        connection.sendall(PROXIES[proxy](asked))

    with Peer(script) as peer:
        a_run.environment = {f"{scheme.upper()}_PROXY": f"http://{USER}:{PROXY}@{peer.host}"}
        assert away(a_run, *(("--plain-http",) if scheme == "http" else ())).code == 4
        pair = base64.b64encode(f"{USER}:{PROXY}".encode())
        assert any(pair in asked for asked in peer.seen)


def away(run: Run, *more: object) -> Ran:
    """A create from a registry that only a proxy could reach."""
    names = run.folder / "images.txt"
    names.write_text("registry.invalid/tkg/app:v1\n")
    line = ("bundle", "create", "--images", names, "-o", run.folder / "x.tar")
    return run(*line, *SAYS_ALL, *FORMS["JSON"], *more)


ADDRESSES = (f"ftp://ann:{PROXY}@127.0.0.1:9", f"http://ann:{PROXY}@[x", f"ann:{PROXY}@127.0.0.1")


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_is_no_proxy_is_not_shown(address: str, a_run: Run) -> None:
    a_run.environment = {"HTTP_PROXY": address}
    assert away(a_run, "--plain-http").code in (3, 4)


@pytest.mark.parametrize("trusted", [True, False])
def test_a_client_key_is_shown_nowhere(
    trusted: bool, a_run: Run, tmp_path: Path, bundle: Path
) -> None:
    authority, own = trustme.CA(), tmp_path / "own"
    own.mkdir()
    authority.cert_pem.write_to_path(str(own / "ca.pem"))
    made = authority.issue_cert("client.example.com")
    made.private_key_pem.write_to_path(str(own / "key.pem"))
    made.cert_chain_pems[0].write_to_path(str(own / "cert.pem"))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    options = ["--cert-file", own / "cert.pem", "--key-file", own / "key.pem"]
    if trusted:
        options += ["--ca-file", own / "ca.pem"]
    with FakeRegistry(tls=tls) as safe:
        safe.gate = Tokens(f"{safe.url}/token")
        by_environment(a_run, safe.host)
        ended = push(a_run, bundle, safe, *options, *FORMS["JSON"])
    assert ended.code == (0 if trusted else 4), ended.err
    a_run.search({"stdout": ended.out.encode(), "stderr": ended.err.encode()}, _lines(own))


@pytest.mark.parametrize("damage", ["cut", "encrypted", "another"])
def test_a_key_that_cannot_be_used_is_not_quoted(
    damage: str, a_run: Run, tmp_path: Path, bundle: Path
) -> None:
    authority, own = trustme.CA(), tmp_path / "own"
    own.mkdir()
    made = authority.issue_cert("client.example.com")
    made.cert_chain_pems[0].write_to_path(str(own / "cert.pem"))
    pem = made.private_key_pem.bytes()
    other = authority.issue_cert("other.example.com").private_key_pem.bytes()
    headed = pem.replace(b"KEY-----\n", b"KEY-----\nProc-Type: 4,ENCRYPTED\n\n", 1)
    changed = {"cut": pem[: len(pem) // 2], "encrypted": headed, "another": other}[damage]
    (own / "key.pem").write_bytes(changed)
    options = ("--cert-file", own / "cert.pem", "--key-file", own / "key.pem")
    ended = a_run("bundle", "push", bundle, "registry.invalid/air", *options, *SAYS_ALL)
    assert ended.code == 3, ended.err
    a_run.search({"stdout": ended.out.encode(), "stderr": ended.err.encode()}, _lines(own))


def _lines(folder: Path) -> tuple[str, ...]:
    """The lines of a key between its first and its last: what is secret of it."""
    lines = (folder / "key.pem").read_text().splitlines()
    return tuple(line for line in lines if len(line) > 40 and not line.startswith("-"))
