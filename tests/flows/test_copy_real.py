"""Copies between real registries, and from one project of a real registry to another."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from scripts.world.registry import Registry
from scripts.world.seed import Seeder
from tests.fakes.registries import PASSWORD, USER, Source
from tests.fakes.token_server import TokenRegistry
from tests.flows.cli import Ran, run
from tests.flows.judge import visible as visible_at
from tests.flows.real import IMAGES, LOGIN, NAMED, PLAIN, seed_behind, visible, whole
from tests.flows.test_carry import RUN_KEYS, inputs, landed

MANIFESTS = sum(image.manifest.size for image in IMAGES.values())


def copy(project: str, dest: str, folder: Path, *more: object, stdin: str = "") -> Ran:
    """Copy IMAGES, which are in ``project``."""
    names = folder / "names.txt"
    names.write_text("".join(f"{NAMED}/{name}\n" for name in IMAGES))
    where = ("--source-repo", NAMED, "--rewrite", f"{NAMED}={project}", PLAIN)
    return run("copy", dest, "--images", names, *where, "--format", "json", *more, stdin=stdin)


def test_a_release_arrives_with_every_digest_and_a_second_copy_moves_nothing(
    source: Source, registry: Registry
) -> None:
    line = ("copy", f"{registry.host}/air/gap", *inputs(source), "--format", "json")
    ran = run(*line)
    assert ran.code == 0, ran.err
    assert list(ran.json) == [*RUN_KEYS, "variables"]
    there = {f"{landed(each.repository)}:{each.tag}": each.digest for each in source.entries}
    assert visible_at(registry.url) == there
    asked, before = len(source.registry.requests()), len(registry.requests())
    again = run(*line)
    assert again.json["bytes"]["moved"] == again.json["bytes"]["mounted"] == 0
    assert {line.method for line in registry.requests(before)} == {"HEAD"}
    assert not layers_read(source.registry, asked)


@pytest.fixture
def stocked(registry: Registry) -> Registry:
    """A registry with IMAGES in its project tkg."""
    with httpx.Client(trust_env=False) as client:
        for name, image in IMAGES.items():
            path, _, tag = name.partition(":")
            Seeder(registry.url, client).put(f"tkg/{path}", tag, image)
    return registry


def test_within_one_registry_only_manifests_move(stocked: Registry, tmp_path: Path) -> None:
    before = len(stocked.requests())
    ran = copy(f"{stocked.host}/tkg", f"{stocked.host}/air/gap", tmp_path)
    assert ran.code == 0, ran.err
    assert ran.json["bytes"]["moved"] == MANIFESTS
    assert_mounted(stocked, before)
    assert visible_at(stocked.url).items() >= whole().items()


def assert_mounted(registry: Registry, before: int = 0) -> None:
    """Every blob was taken over inside the registry, and none was read or sent."""
    asked = registry.requests(before)
    mounts = [line.status for line in asked if line.method == "POST" and "mount=" in line.path]
    assert mounts.count(201) == sum(len(image.blobs) for image in IMAGES.values())
    assert not [line for line in asked if line.method == "PUT" and "/blobs/" in line.path]
    assert not layers_read(registry, before)


def layers_read(registry: Registry, before: int) -> list[str]:
    """Blobs that were fetched, configurations left out: one says whether an image is a bundle."""
    lines = registry.requests(before)
    found = [line.path for line in lines if line.method == "GET" and "/blobs/" in line.path]
    return [path for path in found if not content(registry, path).startswith(b"{")]


def content(registry: Registry, path: str) -> bytes:
    digest = path.rpartition(":")[2]
    blobs = registry.storage / "docker/registry/v2/blobs/sha256"
    return (blobs / digest[:2] / digest / "data").read_bytes()


def test_a_token_for_a_mount_covers_both_repositories(
    token_registry: TokenRegistry, tmp_path: Path
) -> None:
    seed_behind(token_registry.registry)
    token_registry.tokens.users[USER] = PASSWORD
    token_registry.tokens.anonymous = frozenset()
    place = f"{token_registry.host}/tkg", f"{token_registry.host}/air/gap"
    ran = copy(*place, tmp_path, *LOGIN, stdin=PASSWORD + "\n")
    assert ran.code == 0, ran.err
    assert visible(token_registry.registry.storage).items() >= whole().items()
    assert ran.json["bytes"]["moved"] == MANIFESTS
    assert_mounted(token_registry.registry)
