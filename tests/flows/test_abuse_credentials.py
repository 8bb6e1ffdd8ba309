"""Registries that are out for credentials, case by case: realms, redirects, Locations, helpers.

A real registry stands behind the fault proxy, which says what the real one never would; another
registry listens where the client must not go. Each docstring begins with the case's own words.
A secret that arrives anywhere but at the proxy fails the test by the ledger. Cases kept elsewhere:

    realm, every form of it           registry/test_login.test_a_realm_elsewhere_gets_nothing_at_all
    step down from https              registry/test_redirects.test_no_step_down_from_tls
                                      registry/test_uploads.test_an_upload_does_not_step_down_from_tls
    host that resolves to loopback    registry/test_address, registry/test_transport: a registry on
                                      loopback, as every one here, may name loopback
    helper, every form of its name    registry/test_credentials
                                      .test_a_helper_whose_name_is_a_path_is_not_run
    secrets in outputs and logs       test_secrets
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.world.registry import Registry
from tests.fakes.ledger import Ledger
from tests.fakes.proxy import FaultProxy
from tests.fakes.proxy_actions import Action, Go, redirect, replace_header, www_auth
from tests.fakes.proxy_message import Answer, Question
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import Ran
from tests.flows.faulty import LARGE, LIMIT, PUSHED, SESSIONS, create, push, refuse_larger, visible
from tests.flows.faulty import bundle as bundle
from tests.flows.faulty import front as front

SECRET = "what-only-the-registry-may-hear"
LOGIN = ("--username", "ann", "--password-stdin")
BLOB = f"/blobs/{LARGE.digest}"
Call = Callable[[FaultProxy], Ran]


@pytest.fixture
def evil() -> Iterator[FakeRegistry]:
    """Another registry, where nobody was sent by the operator."""
    with FakeRegistry() as running:
        yield running
        assert running.requests == []


@pytest.fixture(params=["create", "push"])
def call(request: pytest.FixtureRequest, bundle: Path, tmp_path: Path, ledger: Ledger) -> Call:
    """A run with a password that the proxy alone may hear."""

    def made(proxy: FaultProxy) -> Ran:
        ledger.permit(SECRET, proxy.url)
        if request.param == "create":
            return create(proxy, tmp_path / "x.tar", *LOGIN, stdin=SECRET + "\n")
        return push(bundle, proxy, *LOGIN, stdin=SECRET + "\n")

    return made


def ask_for_login(question: Question, go: Go) -> Answer:
    """Want a password, whichever, with every request."""
    if "authorization" in question.record.headers:
        return go(question)
    return www_auth('Basic realm="x"')(question, go)


def misbehaved(ran: Ran, *words: str) -> None:
    """Exit code 4 at the first attempt, all of the words, and no secret."""
    assert ran.code == 4, ran.err
    for word in words:
        assert word in ran.err
    assert "failed, next in" not in ran.err
    assert SECRET not in ran.out + ran.err


# --- realms -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("realm", "words"),
    [
        ("http://169.254.169.254/latest/meta-data/", "not on its own host"),
        ("http://{evil}/token", "not on its own host"),
        ("https://{host}/token", "not on its own host"),
        ("http://localhost:{port}/token", "not on its own host"),
        ("http://{host}.{evil}/token", ""),
        ("http://ann:x@{host}/token", "user name in it"),
        ("https://registry.evil@{host}/token", "user name in it"),
        ("file:///etc/passwd", "scheme 'file'"),
    ],
)
def test_a_realm_elsewhere_is_refused_and_no_credentials_leave(
    front: FaultProxy, evil: FakeRegistry, call: Call, realm: str, words: str
) -> None:
    """Realm on 169.254.169.254, other host/port, with userinfo, registry.evil@good: refused."""
    port = front.host.rpartition(":")[2]
    where = realm.format(evil=evil.host, host=front.host, port=port)
    front.on("*", "", www_auth(f'Bearer realm="{where}",service="x"'))
    misbehaved(call(front), words)
    assert not any("authorization" in record.headers for record in front.records)


# --- redirects ----------------------------------------------------------------------------------


class Onward:
    """Sends every request to another path of the same host, a hundred times and more."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        self.sent = 0

    def __call__(self, question: Question, go: Go) -> Answer:
        self.sent += 1
        if self.sent > 100:
            return go(question)
        return redirect(f"{self.proxy.url}{{path}}?hop={self.sent}")(question, go)


def round_and_round(proxy: FaultProxy) -> Action:
    return redirect(proxy.url + "{path}")


@pytest.mark.parametrize("kind", [Onward, round_and_round], ids=["chain of 100", "loop"])
@pytest.mark.parametrize("pattern", [BLOB, "/manifests/v1"])
def test_redirects_without_end_are_given_up(
    front: FaultProxy, tmp_path: Path, kind: Callable[[FaultProxy], Action], pattern: str
) -> None:
    """302 chain of 100, redirect loop: refused."""
    front.on("GET", pattern, kind(front))
    misbehaved(create(front, tmp_path / "x.tar", "-j", 1), "redirects")
    assert front.count("GET", pattern) <= 6 * (1 + (pattern != BLOB))
    assert not (tmp_path / "x.tar").exists()


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://ann:x@{evil}/",
        "http://127.0.0.1:99999/",
    ],
)
def test_redirects_to_no_place_are_refused(
    front: FaultProxy, evil: FakeRegistry, tmp_path: Path, location: str
) -> None:
    """``Location: file:``, ``gopher:``: refused."""
    front.on("GET", BLOB, redirect(location.format(evil=evil.host)))
    misbehaved(create(front, tmp_path / "x.tar"), LARGE.digest, front.host)


@pytest.mark.parametrize("form", ["//{other}{{path}}", "http://{other}{{path}}"])
def test_storage_elsewhere_hears_of_no_password(
    front: FaultProxy, tmp_path: Path, ledger: Ledger, form: str
) -> None:
    """``Location: //evil``: no Authorization leaves the registry's own origin.

    Storage elsewhere is legal for a blob; its bytes count by their digest alone.
    """
    with FakeRegistry() as storage:
        ledger.permit(SECRET, front.url)
        front.on("*", "", ask_for_login)
        front.on("GET", BLOB, redirect(form.format(other=storage.host)))
        storage.store.repositories["tkg/app"].blobs[LARGE.digest] = LARGE.read()
        login = (*LOGIN, "--retries", 0)
        ran = create(front, tmp_path / "y.tar", *login, stdin=SECRET + "\n")
        assert ran.code == 0, ran.err
        assert storage.count("GET", BLOB) == 1
        assert all("authorization" in r.headers for r in front.found("GET", BLOB))
        assert storage.leaked() == []


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("169.254.169.254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("::ffff:169.254.169.254", "metadata"),
        ("224.0.0.1", "multicast"),
        ("::", "unspecified"),
    ],
)
def test_a_redirect_to_a_name_for_a_forbidden_address_is_refused(
    front: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, kind: str
) -> None:
    """Redirect host that *resolves* to link-local: refused by resolved-address hook."""
    known = socket.getaddrinfo

    def resolve(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        if host != "storage.example.com":
            return known(host, port, *more, **named)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    front.on("GET", BLOB, redirect("http://storage.example.com{path}"))
    misbehaved(create(front, tmp_path / "x.tar"), "storage.example.com", f"a {kind} address")


# --- uploads ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(
    "location",
    ["http://{evil}/v2/x?_state=1", "//{evil}/v2/x", "http://169.254.169.254/v2/x"],
)
def test_a_location_for_uploads_elsewhere_is_refused(
    registry: Registry,
    proxy: FaultProxy,
    evil: FakeRegistry,
    bundle: Path,
    method: str,
    location: str,
) -> None:
    """Location for upload on other port of same host: refused."""
    proxy.on(method, SESSIONS, replace_header("Location", location.format(evil=evil.host)))
    proxy.on("PUT", SESSIONS, refuse_larger(LIMIT))
    misbehaved(push(bundle, proxy), proxy.host)
    assert {*visible(registry.url)} < {*PUSHED}


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_an_upload_is_not_redirected_elsewhere(
    registry: Registry, proxy: FaultProxy, evil: FakeRegistry, bundle: Path, method: str
) -> None:
    """307 on upload: C1, only GET and HEAD of blobs and manifests follow redirects."""
    proxy.on(method, SESSIONS, redirect(evil.url + "{path}"))
    misbehaved(push(bundle, proxy), "307")
    assert visible(registry.url) == {}


# --- helpers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../evil", "evil/../evil", "Evil"])
def test_a_credential_helper_whose_name_is_a_path_is_not_run(
    front: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Malicious ``docker-credential-x`` name with path separators: only ``[a-z0-9-]+``."""
    mark = tmp_path / "it ran"
    for place in ("docker-credential-evil", "evil"):
        script = tmp_path / place
        script.write_text(f"#!/bin/sh\ntouch '{mark}'\n")
        script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"credHelpers": {front.host: name}}))
    front.on("*", "", www_auth('Basic realm="x"'))
    ran = create(front, tmp_path / "x.tar", "--registry-config", config)
    assert ran.code == 3, ran.err
    assert not mark.exists()
