"""Images with things that hang on them, carried from a fake; and what the bundle then holds.

with FakeRegistry(referrers=True) as fake:
    fake.add("tkg/app", "v1", APP)
    hang(fake, "tkg/app", APP, referrer(APP))
    assert create(fake, output).code == 0
    assert held(output) == {OWN, loose("tkg/app", referrer(APP))}
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.world.images import Image, ImageSpec, build
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import Ran, run

APP = build(ImageSpec("app"))
INDEX = build(ImageSpec("lamp", platforms=("amd64", "arm64")))
QUICK = ("--plain-http", "--retries", 0)
API = "/referrers/"


def create(fake: FakeRegistry, output: Path, *more: object, names: str = "tkg/app:v1") -> Ran:
    listed = "".join(f"{fake.host}/{name}\n" for name in names.split())
    return run(
        *("bundle", "create", "--images", "-", *QUICK, "-o", output, "--format", "json"),
        *more,
        stdin=listed,
    )


def held(path: Path) -> set[tuple[str, str | None, str]]:
    """Path, tag and digest of all that a sound bundle holds."""
    assert run("bundle", "verify", path).code == 0
    shown = run("bundle", "show", path, "--format", "json").json
    return {(each["path"], each["tag"], each["digest"]) for each in shown["images"]}


def tagged(path: str, tag: str, image: Image) -> tuple[str, str | None, str]:
    return path, tag, image.manifest.digest


def loose(path: str, image: Image) -> tuple[str, str | None, str]:
    return path, None, image.manifest.digest


OWN = tagged("tkg/app", "v1", APP)


@pytest.fixture(params=[False, True], ids=["by tag", "by API"])
def either(request: pytest.FixtureRequest) -> Iterator[FakeRegistry]:
    """A registry without the referrers API, and one with it."""
    with FakeRegistry(referrers=request.param) as fake:
        fake.add("tkg/app", "v1", APP)
        fake.add("tkg/lamp", "v1", INDEX)
        yield fake


@pytest.fixture
def fake(fake: FakeRegistry) -> FakeRegistry:
    fake.add("tkg/app", "v1", APP)
    fake.add("tkg/lamp", "v1", INDEX)
    return fake


@pytest.fixture
def modern() -> Iterator[FakeRegistry]:
    with FakeRegistry(referrers=True) as fake:
        fake.add("tkg/app", "v1", APP)
        yield fake


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "x.tar"
