"""Manifests made to deceive or to exhaust, case by case, from create's side; and lying registries.

A real registry refuses such manifests, so the one in memory holds them, and the fault proxy stands
in front of it where bytes have to be counted. Each docstring begins with the case's own words.
Cases kept elsewhere:

    memory that stays bounded           test_hostile_memory.test_memory_stays_bounded
    the same documents, as a unit       oci/test_strictjson, oci/test_manifest, oci/test_graph
    two entries claim one tag           test_create.test_two_inputs_for_one_destination_move_nothing
    two claim one path in a BOM         bom/test_images.test_one_reference_at_two_paths_is_refused
    the same manifest for every tag,    test_create
    with other pins                     .test_a_plan_never_takes_what_the_tag_names_now
    text that steers the terminal       test_destination_lies
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mirror.settings import MAX_INDEX_MANIFESTS
from scripts.world.images import OCI, ImageSpec, build
from scripts.world.registry import Registry
from tests.fakes.proxy import FaultProxy
from tests.fakes.proxy_actions import answer, endless, flip, replace_header
from tests.fakes.simple import FakeRegistry
from tests.fakes.store import sha256
from tests.flows.cli import Ran, listed, run
from tests.flows.faulty import IMAGES, LARGE, create, push, visible
from tests.flows.faulty import bundle as bundle
from tests.flows.faulty import front as front

REPOSITORY = "tkg/app"
ONLY = {"app:v1": build(ImageSpec("any"))}
CONFIG = {"mediaType": OCI.config, "digest": sha256(b"c"), "size": 1}
IMAGE = {"schemaVersion": 2, "mediaType": OCI.manifest, "config": CONFIG, "layers": []}
# What lies between a proxy and a client on one machine: buffers of both sides of a socket.
UNDER_WAY = 16 << 20


def hold(fake: FakeRegistry, raw: bytes, kind: str = OCI.manifest, name: str = "v1") -> str:
    """Put bytes in as a manifest, whatever they are; a digest for a name is not checked."""
    place = fake.store.repositories[REPOSITORY]
    digest = name if name.startswith("sha256:") else sha256(raw)
    place.manifests[digest] = (kind, raw)
    if digest != name:
        place.tags[name] = digest
    return digest


def entry(digest: str, size: int, kind: str = OCI.manifest) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest, "size": size}


def index(*children: dict[str, Any]) -> bytes:
    document = {"schemaVersion": 2, "mediaType": OCI.index, "manifests": children}
    return json.dumps(document).encode()


def refused(ran: Ran, fake: FakeRegistry, output: Path, code: int = 4) -> None:
    """A clean error that names the image, no blob asked for, and no file."""
    assert ran.code == code, ran.err
    assert "app:v1" in ran.err
    assert "whose matter: " in ran.err
    assert "Traceback" not in ran.err
    assert fake.count("GET", "/blobs/") == 0
    assert not output.exists()


# --- documents ----------------------------------------------------------------------------------


def sized(text: str) -> bytes:
    layer = f'{{"mediaType":"{OCI.layer}","digest":"{sha256(b"x")}","size":{text}}}'
    head = f'{{"schemaVersion":2,"mediaType":"{OCI.manifest}","config":{json.dumps(CONFIG)},'
    return f'{head}"layers":[{layer}]}}'.encode()


DOCUMENTS = {
    "nested 10,000 levels deep": b'{"layers":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "objects nested 10,000 deep": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "size NaN": sized("NaN"),
    "size Infinity": sized("Infinity"),
    "size a fraction": sized("1.5"),
    "size a float": sized("1e3"),
    "size negative": sized("-1"),
    "size too large": sized(str(2**63)),
    "size of 5,000 digits": sized("9" * 5000),
    "size a text": sized('"1"'),
    "duplicate keys": sized("1").replace(b'"schemaVersion":2', b'"layers":[],"schemaVersion":2'),
    "UTF-16": sized("1").decode().encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + sized("1"),
    "both image and index": json.dumps(IMAGE | {"manifests": []}).encode(),
    "schema 1": b'{"schemaVersion":1,"name":"a","tag":"b","fsLayers":[],"history":[]}',
    "nothing": b"",
    "a list": b"[]",
}


@pytest.mark.parametrize("raw", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_a_manifest_that_is_none_is_a_clean_error(
    fake: FakeRegistry, tmp_path: Path, raw: bytes
) -> None:
    """Deeply nested JSON, NaN/float size, duplicate keys, huge ints, UTF-16/BOM: clean error."""
    hold(fake, raw)
    refused(create(fake, tmp_path / "x.tar", images=ONLY), fake, tmp_path / "x.tar")


def test_a_manifest_of_5_mib_is_a_clean_error(fake: FakeRegistry, tmp_path: Path) -> None:
    """Manifest 5 MiB: clean error, bounded memory."""
    hold(fake, json.dumps(IMAGE | {"annotations": {"a": "x" * (5 << 20)}}).encode())
    refused(create(fake, tmp_path / "x.tar", images=ONLY), fake, tmp_path / "x.tar")


def test_a_manifest_without_end_is_given_up(fake: FakeRegistry, tmp_path: Path) -> None:
    """Manifest 1 GiB chunked: it is read to its limit and no further."""
    hold(fake, json.dumps(IMAGE).encode())
    with FaultProxy(fake.url) as proxy:
        proxy.on("GET", "/manifests/", endless())
        refused(create(proxy, tmp_path / "x.tar", images=ONLY), fake, tmp_path / "x.tar")
    assert proxy.count("GET", "/manifests/") == 1
    assert proxy.downloaded < UNDER_WAY


@pytest.mark.parametrize(
    ("body", "header"),
    [(OCI.manifest, OCI.index), (OCI.index, OCI.manifest), ("text/html", "text/html")],
)
def test_a_type_that_is_not_the_documents_own_is_refused(
    fake: FakeRegistry, tmp_path: Path, body: str, header: str
) -> None:
    """C2, type confusion: require equality of body and Content-Type; unknown types refused."""
    document = json.loads(index()) if body == OCI.index else IMAGE
    raw = json.dumps(document | {"mediaType": body}).encode()
    hold(fake, raw)
    with FaultProxy(fake.url) as proxy:
        proxy.on("GET", "/manifests/", replace_header("Content-Type", header))
        refused(create(proxy, tmp_path / "x.tar", images=ONLY), fake, tmp_path / "x.tar")


# --- indexes ------------------------------------------------------------------------------------


def lists_itself(fake: FakeRegistry) -> None:
    """With honest hashes it cannot; the child's bytes are not those of its digest."""
    raw = index(entry(sha256(b"itself"), 500, OCI.index))
    hold(fake, raw, OCI.index)
    hold(fake, raw, OCI.index, sha256(b"itself"))


def ten_thousand_children(fake: FakeRegistry) -> None:
    bodies = [json.dumps(IMAGE | {"annotations": {"n": str(n)}}).encode() for n in range(600)]
    named = [entry(hold(fake, raw, name=sha256(raw)), len(raw)) for raw in bodies]
    named += [entry(sha256(b"%d" % n), 100) for n in range(10_000 - len(named))]
    hold(fake, index(*named), OCI.index)


def fifty_levels(fake: FakeRegistry) -> None:
    raw, kind = json.dumps(IMAGE).encode(), OCI.manifest
    for _ in range(50):
        child = entry(hold(fake, raw, kind, sha256(raw)), len(raw), kind)
        raw, kind = index(child), OCI.index
    hold(fake, raw, kind)


def a_child_of_another_size(fake: FakeRegistry) -> None:
    raw = json.dumps(IMAGE).encode()
    hold(fake, raw, name=sha256(raw))
    hold(fake, index(entry(sha256(raw), len(raw) + 1)), OCI.index)


@pytest.mark.parametrize(
    ("fill", "code"),
    [
        (lists_itself, 6),
        (ten_thousand_children, 4),
        (fifty_levels, 4),
        (a_child_of_another_size, 4),
    ],
)
def test_an_index_past_its_budget_is_refused_before_a_blob_is_asked_for(
    fake: FakeRegistry, tmp_path: Path, fill: Callable[[FakeRegistry], None], code: int
) -> None:
    """Index listing itself / 10 000 children / depth 50: budget error."""
    fill(fake)
    refused(create(fake, tmp_path / "x.tar", images=ONLY), fake, tmp_path / "x.tar", code)
    assert fake.count("GET", "/manifests/") <= MAX_INDEX_MANIFESTS + 2


def test_urls_of_foreign_layers_are_never_asked_for(fake: FakeRegistry, tmp_path: Path) -> None:
    """C2: ``urls`` (foreign layers) never fetched."""
    with FakeRegistry() as elsewhere:
        kind = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
        foreign = entry(sha256(b"f"), 1, kind) | {"urls": [f"{elsewhere.url}/layer"]}
        fake.store.repositories[REPOSITORY].blobs[sha256(b"c")] = b"c"
        hold(fake, json.dumps(IMAGE | {"layers": [foreign]}).encode())
        ran = create(fake, tmp_path / "x.tar", images=ONLY)
        assert ran.code == 0, ran.err
        assert elsewhere.requests == []
    assert fake.count("GET", sha256(b"f")) == 0


# --- digests ------------------------------------------------------------------------------------

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize("where", ["config", "layers", "manifests"])
@pytest.mark.parametrize(
    "digest",
    [
        f"sha256:{HEX.upper()}",
        "sha256:../../x",
        f"SHA256:{HEX}",
        f"sha256-{HEX}",
        f"blake3:{HEX}",
        f"sha256:{HEX}/../{HEX}",
        f"sha256:{HEX}\n",
        f"sha256:{HEX[:-1]}",
        "",
    ],
)
def test_a_digest_that_is_none_is_refused_before_it_touches_a_url(
    fake: FakeRegistry, tmp_path: Path, digest: str, where: str
) -> None:
    """Digest upper-case, ``../../x``, ``SHA256``, ``sha256-``, blake3: refused."""
    bad = entry(digest, 1, OCI.config if where == "config" else OCI.layer)
    if where == "manifests":
        hold(fake, index(entry(digest, 1)), OCI.index)
    else:
        hold(fake, json.dumps(IMAGE | {where: bad if where == "config" else [bad]}).encode())
    refused(create(fake, tmp_path / "x.tar", images=ONLY), fake, tmp_path / "x.tar")
    assert {seen.path for seen in fake.requests} == {f"/v2/{REPOSITORY}/manifests/v1"}


# --- registries that lie ------------------------------------------------------------------------


def test_one_manifest_for_every_tag_is_not_what_was_pinned(
    front: FaultProxy, tmp_path: Path
) -> None:
    """Registry returns same manifest for every tag: detected by pins."""
    names = tmp_path / "images.txt"
    names.write_text("".join(f"{front.host}/tkg/{name}\n" for name in IMAGES))
    plan, output = tmp_path / "plan.json", tmp_path / "x.tar"
    made = run("bundle", "plan", "--images", names, "--plain-http", "-o", plan)
    assert made.code == 0, made.err
    same = json.dumps(IMAGE).encode()
    front.on("GET", "/manifests/", answer(200, body=same, Content_Type=OCI.manifest))
    ran = run("bundle", "create", "--plan", plan, "--plain-http", "-o", output)
    assert ran.code == 6, ran.err
    assert sha256(same) in ran.err
    assert front.count("GET", "/blobs/") == 0
    assert not output.exists()


@pytest.mark.parametrize("pattern", [f"digest={LARGE.digest}", "/manifests/", ""])
def test_a_destination_that_says_201_to_anything_is_found_out(
    registry: Registry, proxy: FaultProxy, bundle: Path, pattern: str
) -> None:
    """Target registry lies, 201 for anything: what was pushed is read again and hashed."""
    proxy.on("PUT", pattern, answer(201, body=b""))
    ran = push(bundle, proxy)
    assert ran.code == 4, ran.err
    assert proxy.host in ran.err
    assert "a moment ago" in ran.err
    assert "create the project" not in ran.err
    assert "air/gap/app:v1" not in visible(registry.url)


def test_a_destination_that_gives_back_other_bytes_is_found_out(
    registry: Registry, proxy: FaultProxy, bundle: Path
) -> None:
    """Target registry lies: post-push verification re-reads manifests and hashes."""
    proxy.on("GET", "/app/manifests/v1", flip(20), nth=2)
    ran = push(bundle, proxy, "-j", 1)
    assert ran.code == 6, ran.err
    assert proxy.host in ran.err


def test_a_list_of_images_is_the_whole_of_what_is_asked_for(
    fake: FakeRegistry, tmp_path: Path
) -> None:
    """What a registry holds beside it is nobody's matter: no catalogue, no other repository."""
    fake.add(REPOSITORY, "v1", ONLY["app:v1"])
    fake.add("tkg/other", "v1", build(ImageSpec("other")))
    names = listed(fake, ONLY, tmp_path)
    ran = run("bundle", "create", "--images", names, "--plain-http", "-o", tmp_path / "x.tar")
    assert ran.code == 0, ran.err
    assert all(f"/v2/{REPOSITORY}/" in seen.path for seen in fake.requests)
