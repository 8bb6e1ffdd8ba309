"""The fake takes and refuses what Distribution does: layers that lie elsewhere, sparse indexes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from scripts.world.images import Blob
from scripts.world.registry import Registry, RegistryNotInstalled
from tests.fakes.registries import absent
from tests.fakes.simple import FakeRegistry
from tests.fakes.windows import base_of, image, windows


@pytest.fixture(scope="module", params=[False, True], ids=["strict", "foreign"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[FakeRegistry, Registry]]:
    """A fake and a real registry that are told the same of foreign layers."""
    try:
        real = Registry(foreign=request.param)
    except RegistryNotInstalled as cause:
        absent(str(cause))
    with FakeRegistry() as fake, real:
        fake.store.foreign = request.param
        yield fake, real


def answer(url: str, blobs: tuple[Blob, ...], manifest: Blob) -> tuple[int, list[str]]:
    """Status and error codes after these blobs and this manifest were put."""
    with httpx.Client(trust_env=False) as client:
        for blob in blobs:
            begun = client.post(f"{url}/v2/a/b/blobs/uploads/").raise_for_status()
            where = httpx.URL(url).join(begun.headers["Location"])
            place = where.copy_merge_params({"digest": blob.digest})
            client.put(place, content=blob.read()).raise_for_status()
        kind = {"Content-Type": manifest.media_type}
        put = client.put(f"{url}/v2/a/b/manifests/v1", headers=kind, content=manifest.read())
    errors = json.loads(put.content)["errors"] if put.content else []
    return put.status_code, [error["code"] for error in errors]


@pytest.mark.parametrize("docker", [True, False], ids=["docker", "oci"])
@pytest.mark.parametrize("held", [True, False], ids=["held", "not held"])
@pytest.mark.parametrize("urls", [True, False], ids=["urls", "no urls"])
def test_a_manifest_with_a_foreign_layer(
    pair: tuple[FakeRegistry, Registry], *, docker: bool, held: bool, urls: bool
) -> None:
    name = f"{docker} {held} {urls}"
    base = base_of(name, docker=docker)
    made = image(name, "windows", base, held=held, docker=docker, urls=urls)
    fake, real = (answer(each.url, made.blobs, made.manifest) for each in pair)
    assert fake == real


@pytest.mark.parametrize("docker", [True, False], ids=["docker", "oci"])
def test_an_index_without_one_of_its_images(
    pair: tuple[FakeRegistry, Registry], *, docker: bool
) -> None:
    root = windows("sparse", docker=docker)
    here = root.children[0]
    for each in pair:
        assert answer(each.url, here.blobs, here.manifest)[0] == 201
    fake, real = (answer(each.url, (), root.manifest) for each in pair)
    assert fake == real == (400, ["MANIFEST_BLOB_UNKNOWN"])
