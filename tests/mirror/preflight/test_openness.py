"""REG-2: who can push without a login, and that asking leaves nothing behind."""

from __future__ import annotations

import httpx
import pytest

from mirror.preflight.interface import Status, Verdict
from scripts.world.images import ImageSpec, build
from scripts.world.registry import Registry
from tests.fakes.auth import Bearer
from tests.fakes.behaviours import Go, answer, hang_up
from tests.fakes.harbor import Harbor
from tests.fakes.message import Reply, Request
from tests.fakes.registries import ReadOnly
from tests.fakes.simple import FakeRegistry
from tests.fakes.token_server import TokenRegistry
from tests.mirror.preflight.strangers import examined

MANIFESTS = "/manifests/"
UPLOADS = "/blobs/uploads/"
# The second question puts a manifest by its own digest, the first one by sixty-four zeros.
SECOND = "/manifests/sha256:(?!0000)"


def refuses(dest: str, *paths: str) -> Verdict:
    return examined(dest, *paths)["REG-2"]


# --- who can push -------------------------------------------------------------------------


def test_anybody_can_push_to_an_open_registry_and_no_upload_begins(registry: Registry) -> None:
    found = refuses(f"{registry.host}/tkg")
    assert found.status is Status.WARN
    assert "anybody can overwrite images: a stranger can push without a login" in found.summary
    assert "GET and HEAD" in found.fix
    assert "DIGEST_INVALID" in found.detail
    writes = [line for line in registry.requests() if line.method not in ("GET", "HEAD")]
    assert [(line.method, line.status) for line in writes] == [("PUT", 400), ("PUT", 400)]
    assert list(registry.storage.iterdir()) == []
    with httpx.Client(base_url=registry.url, trust_env=False) as client:
        assert client.get("/v2/_catalog").json() == {"repositories": []}


def test_images_that_are_there_stay_as_they_are(fake: FakeRegistry) -> None:
    fake.add("tkg/pause", "3.9", build(ImageSpec("pause")))
    before = {name: (dict(r.tags), set(r.blobs)) for name, r in fake.store.repositories.items()}
    assert refuses(f"{fake.host}/tkg", "pause:3.9").status is Status.WARN
    after = {name: (dict(r.tags), set(r.blobs)) for name, r in fake.store.repositories.items()}
    assert after == before
    written = [seen for seen in fake.requests if seen.method not in ("GET", "HEAD")]
    assert {seen.method for seen in written} == {"PUT"}
    assert {seen.path.partition(MANIFESTS)[0] for seen in written} == {"/v2/tkg/pause"}


def test_a_password_keeps_strangers_out(locked_registry: Registry) -> None:
    found = refuses(f"{locked_registry.host}/tkg")
    assert found.status is Status.PASS
    assert found.summary == "a stranger cannot push: it asks for a login"
    assert "tkg/tkg-bom: 401" in found.detail


def test_a_proxy_that_forbids_writes_keeps_strangers_out(fake: FakeRegistry) -> None:
    """As nginx does with limit_except GET HEAD { deny all; }: no word of a registry, and a no."""
    fake.on("PUT", "", answer(403, body=b"<html>403 Forbidden</html>"))
    found = refuses(f"{fake.host}/tkg")
    assert found.status is Status.PASS
    assert found.summary == "a stranger cannot push: it forbids it"


def test_a_token_for_strangers_that_only_pulls_keeps_them_out(
    token_registry: TokenRegistry,
) -> None:
    assert refuses(f"{token_registry.host}/tkg").status is Status.PASS
    (asked,) = [a for a in token_registry.tokens.asked if "push" in a.scopes[0]]
    assert (asked.user, asked.scopes) == ("", ("repository:tkg/tkg-bom:pull,push,delete",))


@pytest.mark.parametrize("rights", [{"pull", "push"}, {"pull", "push", "delete"}])
def test_a_token_service_that_gives_strangers_more_than_pull_is_found_out(
    token_registry: TokenRegistry, rights: set[str]
) -> None:
    token_registry.tokens.anonymous = frozenset(rights)
    found = refuses(f"{token_registry.host}/tkg")
    assert found.status is Status.WARN
    assert "with a token that anybody gets" in found.summary
    assert list(token_registry.registry.storage.iterdir()) == []


def test_no_token_for_strangers_keeps_them_out(fake: FakeRegistry) -> None:
    fake.require_bearer()
    fake.on("GET", "^/token", answer(401))
    assert refuses(f"{fake.host}/tkg").summary == "a stranger cannot push: no token for strangers"


def test_maintenance_and_a_cache_take_nothing(
    read_only: ReadOnly, cache_of_source: Registry
) -> None:
    """A pull-through cache answers the first question as if it took writes."""
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
    assert harbor.count("POST", UPLOADS) == 0


# --- what is no answer --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "status"),
    [(MANIFESTS, status) for status in (302, 400, 415, 429, 500, 503)]
    + [(SECOND, status) for status in (302, 429, 500, 503)],
)
def test_what_is_neither_yes_nor_no_is_not_told_and_nothing_is_begun_for_it(
    fake: FakeRegistry, question: str, status: int
) -> None:
    fake.on("PUT", question, answer(status))
    found = refuses(f"{fake.host}/tkg")
    assert found.unknown
    assert str(status) in found.summary + found.detail
    assert found.fix
    assert fake.count("POST", "") == 0


def test_a_400_of_a_proxy_is_no_word_of_the_registry_behind_it(fake: FakeRegistry) -> None:
    fake.on("PUT", MANIFESTS, answer(400, body=b"<html>400 Bad Request</html>"))
    found = refuses(f"{fake.host}/tkg")
    assert found.unknown
    assert found.summary == "whether a stranger can push is not told: a PUT answered 400"
    assert f"-X POST http://{fake.host}/v2/tkg/tkg-bom/blobs/uploads/" in found.fix


def test_a_repository_that_must_be_made_first_has_nothing_to_refuse(fake: FakeRegistry) -> None:
    fake.on("PUT", MANIFESTS, answer(404, "NAME_UNKNOWN"))
    found = refuses(f"{fake.host}/tkg")
    assert found.unknown
    assert "create it" in found.fix


@pytest.mark.parametrize("question", [MANIFESTS, SECOND], ids=["first", "second"])
def test_a_broken_connection_is_not_told(fake: FakeRegistry, question: str) -> None:
    fake.on("PUT", question, hang_up())
    assert refuses(f"{fake.host}/tkg").unknown


def test_a_token_service_elsewhere_is_not_asked(fake: FakeRegistry) -> None:
    with FakeRegistry() as other:
        fake.gate = Bearer(f"{other.url}/token")
        found = refuses(f"{fake.host}/tkg")
        assert other.requests == []
    assert found.unknown
    assert "--allow-host" in found.fix


# --- what is stored all the same -----------------------------------------------------------


def believing(fake: FakeRegistry, question: str, gate: Bearer | None = None) -> None:
    """Let it store whatever it is given, as toys do; with a gate, of whoever is let through."""

    def store(request: Request, _go: Go) -> Reply:
        if gate and (refusal := gate.stop(request)):
            return refusal
        name, _, digest = request.path.removeprefix("/v2/").partition(MANIFESTS)
        fake.store.repositories[name].manifests[digest] = ("", request.body)
        return Reply(201)

    fake.on("PUT", question, store)


def kept(fake: FakeRegistry) -> list[str]:
    return [digest for place in fake.store.repositories.values() for digest in place.manifests]


@pytest.mark.parametrize("question", [MANIFESTS, SECOND], ids=["wrong digest", "no blobs"])
def test_what_a_registry_stores_is_deleted_and_told(fake: FakeRegistry, question: str) -> None:
    believing(fake, question)
    found = refuses(f"{fake.host}/tkg")
    assert found.status is Status.WARN
    assert "answered 202" in found.detail
    assert kept(fake) == []


def test_what_cannot_be_deleted_is_told_in_the_first_line(fake: FakeRegistry) -> None:
    believing(fake, MANIFESTS)
    fake.on("DELETE", MANIFESTS, answer(405, "UNSUPPORTED"))
    found = refuses(f"{fake.host}/tkg")
    assert found.status is Status.WARN
    left = f"what it was asked with could not be deleted: tkg/tkg-bom@sha256:{'0' * 64}"
    assert left in found.summary
    assert "answered 405" in found.detail


def test_what_a_token_for_strangers_stored_is_deleted_with_it(fake: FakeRegistry) -> None:
    gate = fake.require_bearer()
    gate.anonymous = frozenset({"pull", "push", "delete"})
    believing(fake, MANIFESTS, gate)
    assert "a token that anybody gets" in refuses(f"{fake.host}/tkg").summary
    assert kept(fake) == []
