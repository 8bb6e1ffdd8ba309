"""Six images for journeys to real registries, and what became of them there.

    push(bundle, registry.host, "--plain-http")
    assert visible(registry.storage) == whole()

What is at a destination is judged without the tool: every tag is followed down to its blobs, and
each byte is hashed, at a second registry over the same storage that asks nobody anything.
"""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from scripts.world.images import ImageSpec, build
from scripts.world.registry import Registry
from scripts.world.seed import Seeder
from tests.fakes.registries import USER
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import Ran, run
from tests.flows.judge import visible as visible_at

PLAIN = "--plain-http"
LOGIN = ("--username", USER, "--password-stdin")
# Nobody owns this name: a rewrite says where the images are, so that no port is in any bundle.
NAMED = "registry.example.com/tkg"
# Twelve blobs: some kilobytes each, but for one that comes in many pieces.
SIZES = (3_000, 4_000, 5_000, 6_000, 7_000, 1_500_000)
IMAGES = {f"app-{n}:v1": build(ImageSpec(f"app-{n}", own=(s,))) for n, s in enumerate(SIZES)}


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """IMAGES as a bundle; read it, do not write to it."""
    path = tmp_path_factory.mktemp("bundle") / "x.tar"
    with FakeRegistry() as source:
        for name, image in IMAGES.items():
            repository, _, tag = name.partition(":")
            source.add(f"tkg/{repository}", tag, image)
        ran = create(f"{source.host}/tkg", path, PLAIN)
    assert ran.code == 0, ran.err
    return path


def create(project: str, path: Path, *more: object, stdin: str = "") -> Ran:
    """Make the bundle of IMAGES, which are in this project; always the same bytes."""
    names = path.with_suffix(".txt")
    names.write_text("".join(f"{NAMED}/{name}\n" for name in IMAGES))
    command = ("bundle", "create", "--images", names, "--source-repo", NAMED)
    return run(*command, "--rewrite", f"{NAMED}={project}", "-o", path, *more, stdin=stdin)


def push(bundle: Path, host: str, *more: object, stdin: str = "") -> Ran:
    """Push to the project air/gap."""
    return run("bundle", "push", bundle, f"{host}/air/gap", *more, stdin=stdin)


def seed_behind(registry: Registry) -> None:
    """Put IMAGES into the project tkg of a registry that is closed, by way of its storage."""
    with Registry(registry.storage) as open_one, httpx.Client(trust_env=False) as client:
        for name, image in IMAGES.items():
            repository, _, tag = name.partition(":")
            Seeder(open_one.url, client).put(f"tkg/{repository}", tag, image)


def whole() -> dict[str, str]:
    """What is visible after a push, with each tag's digest."""
    return {f"air/gap/{name}": image.manifest.digest for name, image in IMAGES.items()}


def visible(storage: Path) -> dict[str, str]:
    """Every tag there is, with its digest; fails where anything below one is not whole."""
    with Registry(storage) as judge:
        return visible_at(judge.url)
