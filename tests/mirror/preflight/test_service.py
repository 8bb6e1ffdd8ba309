"""API-1: what speaks the distribution API, and what only answers."""

from __future__ import annotations

import pytest

from mirror.preflight.interface import Status, Verdict
from scripts.world.images import ImageSpec, build
from scripts.world.registry import Registry
from tests.fakes.behaviours import answer, hang_up
from tests.fakes.harbor import Harbor
from tests.fakes.message import Reply
from tests.fakes.simple import FakeRegistry
from tests.mirror.preflight.strangers import FAMILIES, examined

ROOT = "^/v2/$"
PAGE = Reply(200, {"Content-Type": "text/html; charset=utf-8"}, b"<h1>It works</h1>")


def speaks(host: str) -> Verdict:
    return examined(f"{host}/tkg")["API-1"]


def test_open_and_locked_registries_speak_it(
    registry: Registry, locked_registry: Registry, harbor: Harbor
) -> None:
    for host in (registry.host, locked_registry.host, harbor.host):
        assert speaks(host).status is Status.PASS


OK = Reply(200, {"Content-Type": "text/plain"}, b"OK")
JSON = Reply(200, {"Content-Type": "application/json"}, b"{}")


@pytest.mark.parametrize(
    "reply", [PAGE, OK, JSON, Reply(401), Reply(404, {}, b"nothing here"), Reply(204)]
)
def test_a_web_server_does_not(fake: FakeRegistry, reply: Reply) -> None:
    fake.on("*", "", lambda _request, _go: reply)
    found = speaks(fake.host)
    assert found.status is Status.FAIL
    assert f"GET /v2/ answered {reply.status}" in found.summary
    assert "host and port" in found.fix


def test_one_that_lets_v2_not_through_and_answers_for_images_is_a_registry(
    fake: FakeRegistry,
) -> None:
    fake.add("tkg/tkg-compatibility", "v1", build(ImageSpec("x")))
    for status in (403, 404):
        fake.on("GET", ROOT, answer(status), nth=1)
        found = speaks(fake.host)
        assert found.status is Status.WARN
        assert f"answered {status}" in found.summary
        assert "GET /v2/" in found.fix
        fake.rules.clear()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_told_with_where_it_leads(fake: FakeRegistry, status: int) -> None:
    fake.on("GET", ROOT, answer(status, Location="https://registry.example/v2/"))
    found = speaks(fake.host)
    assert found.status is Status.FAIL
    assert "a redirect to https://registry.example/v2/" in found.summary
    assert "--plain-http" in found.fix


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_trouble_that_may_pass_is_not_told(fake: FakeRegistry, status: int) -> None:
    fake.on("GET", ROOT, answer(status))
    found = speaks(fake.host)
    assert found.unknown
    assert f"GET /v2/ answered {status}" in found.summary


def test_what_depends_on_it_is_not_told_either(fake: FakeRegistry) -> None:
    fake.on("GET", ROOT, hang_up())
    found = examined(f"{fake.host}/tkg")
    assert all(found[name].unknown for name in FAMILIES)
    assert found["REG-1"].summary == "cannot be told before API-1 is mended"
