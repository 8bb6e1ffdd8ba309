"""Registries as they are in the field: full, in maintenance, caching, doubled, behind a private CA.

What each one answers here is what the tool is built for; a registry that answers otherwise shows
in these tests first.
"""

from __future__ import annotations

import hashlib
import os
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from scripts.world import disk
from scripts.world.disk import NoMount, on_small_disk
from scripts.world.images import ImageSpec, build
from scripts.world.registry import Registry
from scripts.world.seed import ACCEPT, Seeder
from tests.fakes.registries import (
    DISK,
    ReadOnly,
    Replicas,
    SmallDisk,
    Source,
    TlsRegistry,
)

UPLOADS = "/v2/x/blobs/uploads/"
LARGE = hashlib.shake_128(b"large").digest(300_000)


def put_blob(url: str, data: bytes) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        begun = client.post(url + UPLOADS)
        return client.put(closing(begun, data), content=data)


def closing(begun: httpx.Response, data: bytes) -> httpx.URL:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return httpx.URL(begun.headers["Location"]).copy_merge_params({"digest": digest})


def said(answer: httpx.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()["errors"][0]["code"]


# --- a disk of its own ------------------------------------------------------------------------


def test_a_full_disk_is_a_500_that_says_so_and_room_mends_it(small_disk: SmallDisk) -> None:
    assert DISK - (1 << 20) < small_disk.free <= DISK
    small_disk.fill(leave=100_000)
    assert small_disk.free <= 100_000
    full = put_blob(small_disk.registry.url, LARGE)
    assert said(full) == (500, "UNKNOWN")
    assert "no space left on device" in full.text
    small_disk.make_room()
    assert put_blob(small_disk.registry.url, LARGE).status_code == 201


def test_its_disk_is_nobody_elses_and_ends_with_it(small_disk: SmallDisk) -> None:
    put_blob(small_disk.registry.url, LARGE)
    assert list(small_disk.registry.files.iterdir())
    assert not list(small_disk.registry.storage.iterdir())
    small_disk.registry.kill()
    small_disk.registry.start()
    assert not list(small_disk.registry.files.iterdir())


def test_where_nothing_can_be_mounted_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    disk._way.cache_clear()
    monkeypatch.setattr(disk, "_WAYS", (("false",),))
    with pytest.raises(NoMount, match="no mount namespace"):
        on_small_disk(["true"], tmp_path, DISK)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NoMount, match="unshare"):
        on_small_disk(["true"], tmp_path, DISK)


# --- others -----------------------------------------------------------------------------------


def test_in_maintenance_every_write_is_a_bare_405_and_reads_go_on(read_only: ReadOnly) -> None:
    url = read_only.registry.url
    refused = httpx.post(url + UPLOADS, trust_env=False)
    assert (refused.status_code, refused.text) == (405, "Method not allowed\n")
    with read_only.writable() as after, httpx.Client(trust_env=False) as client:
        Seeder(after.url, client).put("x", "v1", build(ImageSpec("x")))
        assert client.get(f"{url}/v2/x/tags/list").json()["tags"] == ["v1"]
        assert client.put(f"{url}/v2/x/manifests/v2", content=b"{}").status_code == 405


def test_a_cache_asks_its_source_once_and_takes_no_push(
    source: Source, cache_of_source: Registry
) -> None:
    entry, before = source.entries[0], len(source.registry.requests())
    path = f"/v2/{entry.repository}/manifests/{entry.digest}"
    for _ in range(2):
        found = httpx.get(cache_of_source.url + path, headers=ACCEPT, trust_env=False)
        assert found.headers["Docker-Content-Digest"] == entry.digest
    asked = [line for line in source.registry.requests(before) if line[:2] == ("GET", path)]
    assert len(asked) == 1
    assert said(httpx.post(cache_of_source.url + UPLOADS, trust_env=False)) == (405, "UNSUPPORTED")


def test_an_upload_is_dead_at_the_other_replica_and_its_images_are_not(replicas: Replicas) -> None:
    one, two = replicas.one.url, replicas.two.url
    with httpx.Client(trust_env=False) as client:
        begun = client.post(one + UPLOADS)
        elsewhere = begun.headers["Location"].replace(one, two)
        assert said(client.get(elsewhere)) == (404, "BLOB_UPLOAD_INVALID")
        assert client.get(begun.headers["Location"]).status_code == 204
        Seeder(one, client).put("x", "v1", build(ImageSpec("x")))
        assert client.get(f"{two}/v2/x/tags/list").json()["tags"] == ["v1"]


def test_with_one_secret_an_upload_goes_on_at_the_other(tmp_path: Path) -> None:
    with Registry(tmp_path) as one, Registry(tmp_path) as two:
        with httpx.Client(trust_env=False) as client:
            begun = client.post(one.url + UPLOADS)
            done = client.put(str(closing(begun, b"x")).replace(one.url, two.url), content=b"x")
        assert done.status_code == 201


def test_a_secret_of_its_own_making_does_not_outlive_a_restart() -> None:
    with Registry(secret="") as registry, httpx.Client(trust_env=False) as client:
        begun = client.post(registry.url + UPLOADS)
        registry.stop()
        registry.start()
        assert client.put(closing(begun, b"x"), content=b"x").status_code == 404


def test_after_a_take_over_the_second_replica_answers(replicas: Replicas) -> None:
    with httpx.Client(base_url=replicas.front.url, trust_env=False) as client:
        replicas.front.before("POST", UPLOADS, replicas.take_over)
        assert client.get("/v2/").status_code == 200
        assert client.post(UPLOADS).status_code == 202
        assert client.get("/v2/").status_code == 200
    assert [line.method for line in replicas.one.requests()] == ["GET"]
    assert [line.method for line in replicas.two.requests()] == ["POST", "GET"]


def test_in_turn_means_in_turn(replicas: Replicas) -> None:
    replicas.alternate()
    with httpx.Client(base_url=replicas.front.url, trust_env=False) as client:
        for _ in range(4):
            assert client.get("/v2/").status_code == 200
    assert [len(each.requests()) for each in (replicas.one, replicas.two)] == [2, 2]


def test_a_private_authority_is_known_to_those_who_are_told(tls_registry: TlsRegistry) -> None:
    url = f"{tls_registry.registry.url}/v2/"
    told = ssl.create_default_context(cafile=os.fspath(tls_registry.ca_file))
    assert httpx.get(url, verify=told, trust_env=False).status_code == 200
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(url, trust_env=False)
