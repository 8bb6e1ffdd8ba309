"""Journeys of made-up TKG releases: how they are asked for, and what must have come of it.

    ran = release("bundle create", world, "--tkr", TKR, "-o", path)
    ran = release("copy", world, f"{registry.host}/{PROJECT}")
    arrived(registry, world, world.expected(VERSION, [TKR]))    # all of it, and nothing else

    with lacking(tkg_source, tmp_path / "shelf", "etcd:v3.5.4_vmware.6") as world: ...

The host that BOMs and locks name is dead: `no_names` keeps anybody from asking the machine for it.
"""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from scripts.world.parts import Expected, Put
from scripts.world.registry import Registry
from scripts.world.seed import ACCEPT
from scripts.world.tkg import TkgWorld
from tests.fakes.simple import FakeRegistry
from tests.fakes.store import sha256
from tests.fakes.tkg import TkgSource
from tests.flows.cli import Ran, run
from tests.flows.judge_tkg import judge

PROJECT = "air/gap"
VERSION, TKR, SECOND = "v1.6.0", "v1.23.8+vmware.2-tkg.1", "v1.22.11+vmware.2-tkg.1"
QUICK = ("--plain-http", "--retries", 0)
JSON = ("--format", "json")
ATTACHED = ("signature", "referrers")

# Where repositories are in the storage of Distribution.
REPOSITORIES = "docker/registry/v2/repositories"


def release(command: str, world: TkgWorld, *more: object, version: str = VERSION) -> Ran:
    """Ask for a release by its version, with the dead host's repository led to the world."""
    return run(*command.split(), "--tkg-version", version, *found_at(world), *more)


def found_at(world: TkgWorld) -> tuple[object, ...]:
    """Where everything is: an image with a repository of its own needs the rewrite."""
    return ("--source-repo", world.repository, "--rewrite", world.rewrite, *QUICK)


def push(bundle: Path, registry: Registry | FakeRegistry, *more: object) -> Ran:
    return run("bundle", "push", bundle, f"{registry.host}/{PROJECT}", *QUICK, *more)


def planned(ran: Ran) -> dict[str, str]:
    """The images of a plan in JSON: their digests by reference."""
    assert ran.code == 0, ran.err
    return {image["reference"]: image["digest"] for image in ran.json["images"]}


def arrived(
    registry: Registry,
    world: TkgWorld,
    expected: Iterable[Expected],
    *,
    foreign: Collection[str] = (),
) -> None:
    """Fail unless all that is expected is there and whole, and nothing else is.

    What is attached to an image may also be wherever else the same image is.
    """
    wanted, there = {place(each): each for each in expected}, tags(registry)
    along = {name: each for name, each in _along(wanted.values()) if name in there}
    more = sorted(there - {*wanted, *along})
    assert not more, f"{len(more)} tags that nobody asked for: {more}"
    judge(
        registry.url,
        PROJECT,
        relisted(registry, world, {**along, **wanted}.values()),
        foreign=foreign,
    )


def _along(expected: Collection[Expected]) -> Iterator[tuple[str, Expected]]:
    """Signatures and lists of referrers, beside each image that has the digest in their tag."""
    for attached in expected:
        if attached.kind in ATTACHED:
            subject = attached.tag.partition(".")[0].replace("-", ":")
            for image in expected:
                if image.digest == subject:
                    there = replace(attached, path=image.path)
                    yield place(there), there


def place(expected: Expected) -> str:
    return f"{expected.path}:{expected.tag}"


def tags(registry: Registry) -> set[str]:
    """Every tag of the project, as path:tag."""
    found = set()
    with httpx.Client(base_url=f"{registry.url}/v2", trust_env=False) as client:
        for name in client.get("/_catalog?n=1000").json()["repositories"]:
            # One that has blobs and no tag is not known by its name.
            listed = client.get(f"/{name}/tags/list?n=1000").json().get("tags")
            found |= {f"{name.removeprefix(f'{PROJECT}/')}:{tag}" for tag in listed or ()}
    return found


def relisted(
    registry: Registry, world: TkgWorld, expected: Iterable[Expected]
) -> Iterator[Expected]:
    """The same with the digests that the lists of referrers have there.

    Where a registry keeps no list, the client that pushes a referrer writes it anew, with the
    annotations too (distribution-spec, "Pushing Manifests with Subject"): other bytes, which must
    have every entry of the source's list and no other.
    """
    for each in expected:
        yield _list_there(registry, world, each) if each.kind == "referrers" else each


def _list_there(registry: Registry, world: TkgWorld, expected: Expected) -> Expected:
    url = f"{registry.url}/v2/{PROJECT}/{expected.path}/manifests/{expected.tag}"
    answer = httpx.get(url, headers=ACCEPT, trust_env=False)
    if answer.status_code == 404:
        return expected
    raw = answer.raise_for_status().content
    source = one(world, digest=expected.digest).image.manifest
    there, wanted = _entries(raw), _entries(source.read())
    other = {d for d in {*there, *wanted} if not _same(wanted.get(d), there.get(d))}
    assert not other, f"{place(expected)}: other entries than at the source for {other}"
    return replace(expected, digest=sha256(raw))


def _same(wanted: dict[str, Any] | None, there: dict[str, Any] | None) -> bool:
    return bool(wanted and there and wanted.items() <= there.items())


def _entries(index: bytes) -> dict[str, dict[str, Any]]:
    return {entry["digest"]: entry for entry in json.loads(index)["manifests"]}


def one(world: TkgWorld, name: str = "", digest: str = "") -> Put:
    """What is at the source under a name of the world, or with a digest."""
    puts = world.contents.puts
    return next(p for p in puts if name == p.name or digest == p.image.manifest.digest)


# --- less of a world --------------------------------------------------------------------------


@contextmanager
def lacking(source: TkgSource, shelf: Path, *names: str) -> Iterator[TkgWorld]:
    """The same world at a registry of its own, which lacks what `world.names` calls so."""
    with shelved(source, shelf, *names) as registry:
        yield replace(source.world, url=registry.url)


@contextmanager
def shelved(source: TkgSource, shelf: Path, *names: str) -> Iterator[Registry]:
    """A registry over a copy of what the source stores: a tenth of the time that seeding takes."""
    shutil.copytree(source.registry.storage, shelf)
    for name in names:
        put = one(source.world, name)
        home = shelf / REPOSITORIES / source.world.prefix / put.path / "_manifests"
        shutil.rmtree(home / "revisions" / put.image.manifest.digest.replace(":", "/"))
        if put.tag:
            shutil.rmtree(home / "tags" / put.tag)
    with Registry(shelf, foreign=True) as running:
        yield running


# --- nobody there -----------------------------------------------------------------------------


@contextmanager
def no_names() -> Iterator[set[str]]:
    """Let no name have an address; yields those that somebody wanted one of."""
    known, wanted = socket.getaddrinfo, set[str]()

    def resolve(host: Any, *more: Any, **named: Any) -> Any:
        if host == "127.0.0.1":
            return known(host, *more, **named)
        wanted.add(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolve)
        yield wanted
