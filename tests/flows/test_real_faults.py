"""Journeys to and from real registries that are full, closed, doubled, or of a private CA."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.world.registry import Registry
from tests.fakes.registries import ReadOnly, Replicas, SmallDisk, Source, TlsRegistry
from tests.flows.cli import run
from tests.flows.judge import visible as visible_at
from tests.flows.real import NAMED, PLAIN, create, push, visible, whole
from tests.flows.real import bundle as bundle

# --- full, and closed -------------------------------------------------------------------------


@pytest.mark.parametrize("leave", [0, 200_000], ids=["no byte", "some blobs fit"])
def test_a_full_disk_is_named_shows_nothing_and_is_survived_by_making_room(
    bundle: Path, small_disk: SmallDisk, leave: int
) -> None:
    host = small_disk.registry.host
    small_disk.fill(leave)
    ran = push(bundle, host, PLAIN, "-j", 1)
    assert ran.code == 4
    assert [line.status for line in small_disk.registry.requests()].count(500) == 1
    assert "no space left on device" in ran.err.lower()
    assert "look at its disk and the project's quota, make room there" in ran.err
    assert f"the destination registry {host}" in ran.err
    assert visible_at(small_disk.registry.url) == {}
    small_disk.make_room()
    again = push(bundle, host, PLAIN)
    assert again.code == 0, again.err
    assert visible_at(small_disk.registry.url) == whole()


def test_a_registry_in_maintenance_is_asked_once_and_says_it_takes_nothing(
    bundle: Path, read_only: ReadOnly
) -> None:
    ran = push(bundle, read_only.registry.host, PLAIN, "-j", 1)
    assert ran.code == 5
    assert f"{read_only.registry.host} answered 405" in ran.err
    assert "read-only" in ran.err
    assert "log in" not in ran.err
    refused = [line for line in read_only.registry.requests() if line.status == 405]
    assert [line.method for line in refused] == ["POST"]
    with read_only.writable() as after:
        assert push(bundle, after.host, PLAIN).code == 0
    assert visible(read_only.shelf) == whole()


def test_a_cache_takes_no_push_in_its_own_words(bundle: Path, cache_of_source: Registry) -> None:
    ran = push(bundle, cache_of_source.host, PLAIN, "-j", 1)
    assert ran.code == 5
    assert "UNSUPPORTED: The operation is unsupported" in ran.err
    assert "only a cache" in ran.err


def test_a_cache_gives_the_same_bundle_as_its_source(
    source: Source, cache_of_source: Registry, tmp_path: Path
) -> None:
    names = tmp_path / "images.txt"
    images = (f"{NAMED}/{entry.repository}:{entry.tag}\n" for entry in source.entries)
    names.write_text("".join(images))
    made = list[bytes]()
    for host in (source.host, cache_of_source.host):
        path = tmp_path / f"{len(made)}.tar"
        where = ("--rewrite", f"{NAMED}={host}", PLAIN)
        ran = run("bundle", "create", "--images", names, *where, "-o", path)
        assert ran.code == 0, ran.err
        made.append(path.read_bytes())
    assert made[0] == made[1]


# --- a private authority ----------------------------------------------------------------------


def plain(path: Path) -> Path:
    return path


def coded(path: Path) -> Path:
    """The form that TKG's own variable has: base64 of PEM, on one line."""
    path.with_suffix(".b64").write_bytes(base64.b64encode(path.read_bytes()))
    return path.with_suffix(".b64")


@pytest.mark.parametrize("form", [plain, coded])
def test_a_private_authority_is_trusted_both_ways(
    bundle: Path, tls_registry: TlsRegistry, tmp_path: Path, form: Callable[[Path], Path]
) -> None:
    trust = ("--ca-file", form(tls_registry.ca_file))
    assert push(bundle, tls_registry.host, *trust).code == 0
    assert visible(tls_registry.registry.storage) == whole()
    ran = create(f"{tls_registry.host}/air/gap", tmp_path / "x.tar", *trust)
    assert ran.code == 0, ran.err
    assert (tmp_path / "x.tar").read_bytes() == bundle.read_bytes()


def test_without_it_nothing_is_sent_and_the_option_is_named(
    bundle: Path, tls_registry: TlsRegistry, tmp_path: Path
) -> None:
    for ran in (
        push(bundle, tls_registry.host),
        create(f"{tls_registry.host}/tkg", tmp_path / "x.tar"),
    ):
        assert ran.code == 4
        assert "--ca-file" in ran.err
    assert not tls_registry.registry.requests()


# --- replicas ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "pattern", "nth"),
    [("POST", "/uploads/", 2), ("PUT", "/uploads/", 3), ("PUT", "/manifests/", 2)],
)
def test_a_registry_that_dies_in_the_middle_of_a_push_is_survived(
    bundle: Path, replicas: Replicas, method: str, pattern: str, nth: int
) -> None:
    replicas.front.before(method, pattern, replicas.cut_off, nth=nth)
    ran = push(bundle, replicas.front.host, PLAIN, "-j", 1)
    assert ran.code == 0, ran.err
    assert replicas.two.requests()
    assert visible(replicas.two.storage) == whole()
