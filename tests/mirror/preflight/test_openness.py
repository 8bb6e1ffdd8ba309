"""REG-2: who can push without a login, and that asking leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from mirror.preflight.interface import Status, Verdict
from scripts.world.images import ImageSpec, build
from scripts.world.registry import Registry
from tests.fakes.auth import Bearer
from tests.fakes.behaviours import answer, hang_up
from tests.fakes.harbor import Harbor
from tests.fakes.message import Reply
from tests.fakes.registries import ReadOnly
from tests.fakes.simple import FakeRegistry
from tests.fakes.token_server import TokenRegistry
from tests.mirror.preflight.strangers import examined

UPLOADS = "/blobs/uploads/"
ALL = frozenset({"pull", "push"})


def refuses(dest: str, *paths: str) -> Verdict:
    return examined(dest, *paths)["REG-2"]


def files(storage: Path) -> list[Path]:
    return sorted(path for path in storage.rglob("*") if path.is_file())


# --- who can push -------------------------------------------------------------------------


def test_anybody_can_push_to_an_open_registry_and_no_more_is_left_than_it_keeps(
    registry: Registry,
) -> None:
    found = refuses(f"{registry.host}/tkg")
    assert found.status is Status.WARN
    assert "anybody can overwrite images: a stranger can push without a login" in found.summary
    assert "it was given back" in found.detail
    assert "GET and HEAD" in found.fix
    writes = [line for line in registry.requests() if line.method not in ("GET", "HEAD")]
    assert [(line.method, line.status) for line in writes] == [("POST", 202), ("DELETE", 204)]
    # Distribution 2.8.2 writes the state of its hash down when the session ends, and again after
    # it has deleted all of it: 108 bytes, which no list shows (measured).
    (left,) = files(registry.storage)
    assert left.parts[-3:] == ("hashstates", "sha256", "0")
    assert left.stat().st_size < 200
    with httpx.Client(base_url=registry.url, trust_env=False) as client:
        assert client.get("/v2/_catalog").json() == {"repositories": []}
        assert client.get("/v2/tkg/tkg-compatibility/tags/list").status_code == 404


def test_images_that_are_there_stay_as_they_are(fake: FakeRegistry) -> None:
    fake.add("tkg/pause", "3.9", build(ImageSpec("pause")))
    before = {name: (dict(r.tags), set(r.blobs)) for name, r in fake.store.repositories.items()}
    assert refuses(f"{fake.host}/tkg", "pause:3.9").status is Status.WARN
    after = {name: (dict(r.tags), set(r.blobs)) for name, r in fake.store.repositories.items()}
    assert after == before
    assert {s.path for s in fake.requests if s.method == "POST"} == {"/v2/tkg/pause/blobs/uploads/"}


def test_a_password_keeps_strangers_out(locked_registry: Registry) -> None:
    found = refuses(f"{locked_registry.host}/tkg")
    assert found.status is Status.PASS
    assert "answered 401" in found.detail
    assert files(locked_registry.storage) == []


def test_a_token_for_strangers_that_only_pulls_keeps_them_out(
    token_registry: TokenRegistry,
) -> None:
    assert refuses(f"{token_registry.host}/tkg").status is Status.PASS
    (asked,) = [a for a in token_registry.tokens.asked if "push" in a.scopes[0]]
    assert (asked.user, asked.scopes) == (
        "",
        ("repository:tkg/tkg-compatibility:pull,push,delete",),
    )
    assert files(token_registry.registry.storage) == []


def test_a_token_service_that_gives_strangers_everything_is_found_out(
    token_registry: TokenRegistry,
) -> None:
    token_registry.tokens.anonymous = frozenset({"pull", "push", "delete"})
    found = refuses(f"{token_registry.host}/tkg")
    assert found.status is Status.WARN
    assert "with a token that anybody gets" in found.summary
    assert "it was given back" in found.detail


def test_a_session_that_cannot_be_given_back_is_told(token_registry: TokenRegistry) -> None:
    token_registry.tokens.anonymous = ALL
    found = refuses(f"{token_registry.host}/tkg")
    assert found.status is Status.WARN
    assert "could not be given back: DELETE answered 401" in found.detail


def test_no_token_for_strangers_keeps_them_out(fake: FakeRegistry) -> None:
    fake.require_bearer()
    fake.on("GET", "^/token", answer(401))
    assert refuses(f"{fake.host}/tkg").summary == "a stranger cannot push: no token for strangers"


def test_maintenance_and_a_cache_take_nothing(
    read_only: ReadOnly, cache_of_source: Registry
) -> None:
    for place in (read_only.registry, cache_of_source):
        found = refuses(f"{place.host}/tkg")
        assert found.status is Status.PASS
        assert "takes no writes at all" in found.summary


def test_harbor_lets_strangers_push_nowhere(harbor: Harbor) -> None:
    harbor.project("tkg", public=True)
    for project in ("tkg", "missing"):
        assert refuses(f"{harbor.host}/{project}").status is Status.PASS
    harbor.system.read_only = True
    assert refuses(f"{harbor.host}/tkg").status is Status.PASS
    assert harbor.count("POST", UPLOADS, 202) == 0


# --- what is no answer --------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404, 415, 429, 500, 503])
def test_what_is_neither_yes_nor_no_is_not_told(fake: FakeRegistry, status: int) -> None:
    fake.on("POST", UPLOADS, answer(status))
    found = refuses(f"{fake.host}/tkg")
    assert found.unknown
    assert str(status) in found.summary + found.detail


def test_a_broken_connection_is_not_told(fake: FakeRegistry) -> None:
    fake.on("POST", UPLOADS, hang_up())
    assert refuses(f"{fake.host}/tkg").unknown


def test_a_token_service_elsewhere_is_not_asked(fake: FakeRegistry) -> None:
    with FakeRegistry() as other:
        fake.gate = Bearer(f"{other.url}/token")
        found = refuses(f"{fake.host}/tkg")
        assert other.requests == []
    assert found.unknown
    assert "--allow-host" in found.fix


# --- where the session is given back ------------------------------------------------------


@pytest.mark.parametrize(
    "location", ["", "{other}/v2/x/blobs/uploads/1", "file:///etc/passwd", "\x7f"]
)
def test_a_session_elsewhere_is_not_asked_for(fake: FakeRegistry, location: str) -> None:
    with FakeRegistry() as other:
        place = location.replace("{other}", other.url)
        headers = {"Location": place} if place else {}
        fake.on("POST", UPLOADS, lambda _request, _go: Reply(202, headers))
        found = refuses(f"{fake.host}/tkg")
        assert other.requests == []
    assert found.status is Status.WARN
    assert "it could not be given back" in found.detail
    assert fake.count("DELETE", "") == 0


def test_a_session_is_given_back_where_it_is_with_its_query(fake: FakeRegistry) -> None:
    fake.on(
        "POST", UPLOADS, lambda _request, _go: Reply(202, {"Location": "/v2/up/1?_state=a%2Fb"})
    )
    refuses(f"{fake.host}/tkg")
    assert [seen.path for seen in fake.requests if seen.method == "DELETE"] == [
        "/v2/up/1?_state=a%2Fb"
    ]
