"""Whole journeys between real registries, judged by skopeo and by the world's own list."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import httpx
import pytest

from scripts.world.registry import Registry
from scripts.world.seed import ACCEPT
from tests.fakes import skopeo
from tests.fakes.registries import Source
from tests.flows.cli import run

INDEXES = re.compile("index|list")
RUN_KEYS = ["schema", "result", "images", "bytes", "seconds", "requests", "warnings"]


def inputs(source: Source) -> list[object]:
    boms = [each for bom in source.boms for each in ("--bom", bom)]
    extra = f"registry.example.com/extra={source.host}/extra"
    return [*boms, "--source-repo", source.repository, "--rewrite", extra, "--plain-http"]


@pytest.fixture(scope="module")
def bundle(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample BOM pair as a bundle, made one request at a time."""
    path = tmp_path_factory.mktemp("bundle") / "tkg.tar"
    ran = run("bundle", "create", *inputs(source), "-o", path, "-j", 1, "--format", "json")
    assert ran.code == 0, ran.err
    assert list(ran.json) == RUN_KEYS
    assert ran.json["result"] == "ok"
    assert len(ran.json["images"]) == len(source.entries)
    assert {image["status"] for image in ran.json["images"]} == {"copied"}
    assert {*ran.json["images"][0]} == {"reference", "digest", "status", "reason"}
    return path


def landed(entry_repository: str) -> str:
    """Where an image of the world has to be: its path below DEST, less the source's project."""
    return "air/gap/" + entry_repository.partition("/")[2]


@pytest.mark.skipif(not skopeo.installed(), reason="skopeo is not installed")
def test_every_tag_arrives_with_the_digest_it_had(
    source: Source, bundle: Path, registry: Registry, tmp_path: Path
) -> None:
    assert run("bundle", "verify", bundle).code == 0
    ran = run("bundle", "push", bundle, f"{registry.host}/air/gap", "--plain-http")
    assert ran.code == 0, ran.err
    assert f'TKG_CUSTOM_IMAGE_REPOSITORY="{registry.host}/air/gap"' in ran.out
    for entry in source.entries:
        there = f"{registry.host}/{landed(entry.repository)}:{entry.tag}"
        assert skopeo.digest_of(there) == entry.digest
    index = next(entry for entry in source.entries if INDEXES.search(entry.mediaType))
    copied = skopeo.copy_out(
        f"{registry.host}/{landed(index.repository)}:{index.tag}", tmp_path / "there"
    )
    assert (len(copied), sum(map(len, copied.values()))) == (index.blobs, index.bytes)
    pushed_again_moves_nothing(bundle, registry, len(source.entries))


def pushed_again_moves_nothing(bundle: Path, registry: Registry, images: int) -> None:
    before = len(registry.requests())
    again = run(
        *("bundle", "push", bundle, f"{registry.host}/air/gap", "--plain-http"),
        *("--format", "json"),
    )
    assert again.code == 0, again.err
    assert again.json["bytes"]["moved"] == again.json["bytes"]["mounted"] == 0
    assert {image["status"] for image in again.json["images"]} == {"present"}
    asked = registry.requests(before)
    assert len(asked) == again.json["requests"] <= images
    assert {line.method for line in asked} == {"HEAD"}
    assert list(again.json) == [*RUN_KEYS, "variables"]


def test_the_same_bytes_with_many_workers_from_a_plan_and_on_another_day(
    source: Source, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, one, two = tmp_path / "plan.json", tmp_path / "one.tar", tmp_path / "two.tar"
    assert run("bundle", "create", *inputs(source), "-o", one, "-j", 16).code == 0
    assert one.read_bytes() == bundle.read_bytes()
    assert run("bundle", "plan", *inputs(source), "-o", plan).code == 0
    fetch = ("--rewrite", f"registry.example.com/extra={source.host}/extra", "--plain-http")
    assert run("bundle", "create", "--plan", plan, *fetch, "-o", two).code == 0
    assert two.read_bytes() == bundle.read_bytes()
    assert json.loads(plan.read_text())["totals"]["disk"] == bundle.stat().st_size
    one.unlink()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert run("bundle", "create", *inputs(source), "-o", one).code == 0
    assert one.stat().st_size == bundle.stat().st_size
    assert one.read_bytes() != bundle.read_bytes()
    assert run("bundle", "verify", one).code == 0


def test_blobs_that_images_share_are_fetched_once(source: Source, tmp_path: Path) -> None:
    before = len(source.registry.requests())
    assert run("bundle", "create", *inputs(source), "-o", tmp_path / "x.tar").code == 0
    asked = [line.path for line in source.registry.requests(before) if "/blobs/" in line.path]
    times = Counter(path.rpartition("/")[2] for path in asked)
    assert len(times) > len(source.entries)
    # Configurations of images with one layer are looked into before: a bundle has a label there.
    paths = {path.rpartition("/")[2]: path for path in asked}
    for digest, count in times.items():
        if count > 1:
            found = httpx.get(f"{source.registry.url}{paths[digest]}", trust_env=False).json()
            assert (count, len(found["rootfs"]["diff_ids"])) == (2, 1)


def test_show_and_verify_say_what_the_contract_says(source: Source, bundle: Path) -> None:
    shown = run("bundle", "show", bundle, "--format", "json").json
    assert list(shown) == ["schema", "source", "images", "blobs", "boms"]
    assert len(shown["images"]) == len(source.entries)
    assert list(shown["images"][0]) == [
        *("reference", "path", "tag", "digest", "mediaType", "size", "kind")
    ]
    assert {image["kind"] for image in shown["images"]} == {"image", "index", "bom"}
    assert list(shown["blobs"]) == ["count", "size"]
    assert [bom["kind"] for bom in shown["boms"]] == ["tkg-bom", "tkr-bom"]
    verified = run("bundle", "verify", bundle, "--format", "json").json
    assert list(verified) == ["schema", "result", "faults", "bytes", "seconds"]
    assert (verified["result"], verified["faults"]) == ("ok", [])
    assert verified["bytes"] == bundle.stat().st_size


def test_verify_lists_every_fault(bundle: Path, tmp_path: Path) -> None:
    content = bytearray(bundle.read_bytes())
    content[-2000] ^= 1
    content[-1] ^= 1
    broken = tmp_path / "broken.tar"
    broken.write_bytes(content)
    ran = run("bundle", "verify", broken, "--format", "json")
    assert ran.code == 6
    assert ran.json["result"] == "failed"
    assert [fault["kind"] for fault in ran.json["faults"]] == ["padding", "content"]
    assert {*ran.json["faults"][0]} >= {"kind", "member", "digest", "expected", "got"}


@pytest.mark.docker
@pytest.mark.xdist_group("docker")
def test_a_registry_in_a_container_takes_a_bundle(
    source: Source, bundle: Path, container_registry: str
) -> None:
    ran = run("bundle", "push", bundle, f"{container_registry}/air/gap", "--plain-http")
    assert ran.code == 0, ran.err
    assert_arrived(container_registry, source)


def assert_arrived(host: str, source: Source) -> None:
    with httpx.Client(trust_env=False) as client:
        for entry in source.entries:
            url = f"http://{host}/v2/{landed(entry.repository)}/manifests/{entry.tag}"
            assert client.head(url, headers=ACCEPT).headers["Docker-Content-Digest"] == entry.digest
