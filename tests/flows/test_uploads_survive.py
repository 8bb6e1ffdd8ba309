"""Uploads to real registries that forget, in the middle of a push, what was begun."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from scripts.world.registry import AccessLine, Registry
from tests.fakes.registries import Replicas
from tests.flows.real import IMAGES, PLAIN, push, visible, whole
from tests.flows.real import bundle as bundle

BLOBS = sum(len(image.blobs) for image in IMAGES.values())


def uploads(registry: Registry, method: str) -> list[AccessLine]:
    lines = registry.requests()
    return [line for line in lines if line.method == method and "/uploads/" in line.path]


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("nth", [1, 3, BLOBS], ids=["first", "third", "last"])
def test_a_session_that_is_forgotten_is_begun_anew(
    bundle: Path, replicas: Replicas, nth: int, workers: int
) -> None:
    replicas.front.before("PUT", "/uploads/", replicas.take_over, nth=nth)
    ran = push(bundle, replicas.front.host, PLAIN, "-j", workers)
    assert ran.code == 0, ran.err
    assert 404 in [line.status for line in uploads(replicas.two, "PUT")]
    assert visible(replicas.two.storage) == whole()


def test_what_was_uploaded_before_is_not_sent_again(bundle: Path, replicas: Replicas) -> None:
    replicas.front.before("PUT", "/uploads/", replicas.take_over, nth=4)
    ran = push(bundle, replicas.front.host, PLAIN, "-j", 1)
    assert ran.code == 0, ran.err
    stored = [*uploads(replicas.one, "PUT"), *uploads(replicas.two, "PUT")]
    digests = Counter(line.path.rpartition("=")[2] for line in stored if line.status == 201)
    assert len(digests) == BLOBS
    assert set(digests.values()) == {1}


def test_a_link_that_a_power_cut_left_empty_is_written_anew(
    bundle: Path, registry: Registry
) -> None:
    assert push(bundle, registry.host, PLAIN).code == 0
    for links in registry.files.glob("**/_layers/sha256/*/link"):
        links.write_bytes(b"")
    for tags in registry.files.glob("**/_manifests/tags"):
        shutil.rmtree(tags)
    ran = push(bundle, registry.host, PLAIN, "--retries", 2)
    assert ran.code == 0, ran.err
    assert 500 in [line.status for line in registry.requests()]
    assert visible(registry.storage) == whole()


def test_replicas_that_know_nothing_of_each_other_are_given_up_and_named(
    bundle: Path, replicas: Replicas
) -> None:
    """One request after the other, so that every PUT meets the replica that did not begin it."""
    replicas.alternate()
    ran = push(bundle, replicas.front.host, PLAIN, "-j", 1, "--retries", 1)
    assert ran.code == 4
    assert "404" in ran.err
    assert f"the destination registry {replicas.front.host}" in ran.err
    assert len([*uploads(replicas.one, "POST"), *uploads(replicas.two, "POST")]) == 2
    assert visible(replicas.one.storage) == {}
