"""A whole preflight leaves a registry's storage as it was, to the last folder and its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from scripts.world.images import ImageSpec, build
from scripts.world.registry import Registry
from tests.fakes.harbor import Harbor
from tests.fakes.packages import bundle, lock
from tests.fakes.registries import PASSWORD, USER
from tests.fakes.simple import FakeRegistry
from tests.fakes.token_server import TokenRegistry
from tests.flows.cli import run

APP = build(ImageSpec("app", own=(900, 400)))
OTHER = build(ImageSpec("other", own=(700,)))
PACKAGE = bundle(lock(f"gone.invalid/dev/app@{APP.manifest.digest}"))
ALL = frozenset({"pull", "push", "delete"})


@pytest.fixture(scope="module")
def tar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A bundle of three images, one of them a package."""
    path = tmp_path_factory.mktemp("traces") / "tkg.tar"
    images = {"tkg/app": APP, "tkg/other": OTHER, "dev/package": PACKAGE, "dev/app": APP}
    with FakeRegistry() as source:
        for name, image in images.items():
            source.add(name, "v1", image)
        listed = "".join(f"{source.host}/{name}:v1\n" for name in images)
        create = ("bundle", "create", "--images", "-", "--plain-http", "-o", path)
        assert run(*create, stdin=listed).code == 0
        yield path


@dataclass(frozen=True)
class Place:
    """A registry, and who may push there; nobody has to say who he is where ``name`` is empty."""

    host: str
    storage: Path
    name: str = ""
    secret: str = ""


def tree(storage: Path) -> dict[str, tuple[int, int, int, str]]:
    """Mode, size, time of the last change and content of every file and folder."""
    found = {}
    for path in (storage, *storage.rglob("*")):
        status = path.lstat()
        content = sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        name = str(path.relative_to(storage))
        found[name] = (status.st_mode, status.st_size, status.st_mtime_ns, content)
    return found


def examined(place: Place, tar: Path, *more: object) -> dict[str, str]:
    login = ("--username", place.name, "--password-stdin") if place.name else ()
    where = (f"{place.host}/air", "--plain-http", "--format", "json")
    stdin = f"{place.secret}\n" if place.name else ""
    ran = run("preflight", *where, "--bundle", tar, *login, *more, stdin=stdin)
    return {each["id"]: each["status"] for each in ran.json["checks"]}


def pushed(place: Place, tar: Path) -> None:
    login = ("--username", place.name, "--password-stdin") if place.name else ()
    where = (f"{place.host}/air", "--plain-http")
    assert run("bundle", "push", tar, *where, *login, stdin=f"{place.secret}\n").code == 0


@contextmanager
def unchanged(place: Place) -> Iterator[None]:
    before = tree(place.storage)
    yield
    assert tree(place.storage) == before


# --- the registries that there are ---------------------------------------------------------

Kind = Callable[[pytest.FixtureRequest], Place]


def is_open(request: pytest.FixtureRequest) -> Place:
    registry: Registry = request.getfixturevalue("registry")
    return Place(registry.host, registry.storage)


def with_passwords(request: pytest.FixtureRequest) -> Place:
    registry: Registry = request.getfixturevalue("locked_registry")
    return Place(registry.host, registry.storage, USER, PASSWORD)


def with_tokens(request: pytest.FixtureRequest) -> Place:
    found: TokenRegistry = request.getfixturevalue("token_registry")
    found.tokens.users[USER] = PASSWORD
    return Place(found.host, found.registry.storage, USER, PASSWORD)


def with_tokens_to_push_for_anybody(request: pytest.FixtureRequest) -> Place:
    place = with_tokens(request)
    request.getfixturevalue("token_registry").tokens.anonymous = ALL
    return place


def a_harbor(request: pytest.FixtureRequest) -> Place:
    harbor: Harbor = request.getfixturevalue("harbor")
    harbor.project("air", public=True)
    return Place(harbor.host, harbor.registry.storage, harbor.admin.name, harbor.admin.secret)


def a_harbor_with_a_robot(request: pytest.FixtureRequest) -> Place:
    place = a_harbor(request)
    robot = request.getfixturevalue("harbor").robot("air", "mirror", "a secret")
    return Place(place.host, place.storage, robot.name, robot.secret)


KINDS: tuple[Kind, ...] = (
    is_open,
    with_passwords,
    with_tokens,
    with_tokens_to_push_for_anybody,
    a_harbor,
    a_harbor_with_a_robot,
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("deep", [(), ("--deep",)], ids=["", "deep"])
def test_a_whole_preflight_leaves_the_storage_as_it_was(
    kind: Kind, deep: tuple[str, ...], tar: Path, request: pytest.FixtureRequest
) -> None:
    place = kind(request)
    with unchanged(place):
        assert examined(place, tar, *deep)["REG-4"] == "pass"
    pushed(place, tar)
    with unchanged(place):
        found = examined(place, tar, *deep)
    assert found["REG-4"] == "pass"
    opened = kind in (is_open, with_tokens_to_push_for_anybody)
    assert found["REG-2"] == ("warn" if opened else "pass")
    # A warning, since no BOM says that this is all of TKG.
    anybody = kind is not with_passwords
    assert found["IMG-1"] == ("warn" if anybody else "skip")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_stranger_leaves_nothing_either(
    kind: Kind, tar: Path, request: pytest.FixtureRequest
) -> None:
    place = kind(request)
    pushed(place, tar)
    with unchanged(place):
        examined(Place(place.host, place.storage), tar)
