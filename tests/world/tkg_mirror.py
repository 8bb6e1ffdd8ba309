"""A mirror of a made-up release, made by plain requests: what the judge of mirrors is tried on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import httpx

from scripts.world.parts import Expected
from scripts.world.seed import ACCEPT, THREADS
from scripts.world.threads import shared_client
from scripts.world.tkg import TkgWorld

PROJECT = "air/gap"


def carry(world: TkgWorld, target: str, wanted: Iterable[Expected]) -> None:
    """Copy from wherever a digest lies at the source."""
    homes = {put.image.manifest.digest: put.path for put in world.contents.puts}

    def one(each: Expected) -> None:
        source = f"{world.url}/v2/{world.prefix}/{homes[each.digest]}"
        place = f"{target}/v2/{PROJECT}/{each.path}"
        _manifest(client, source, place, each.digest, each.tag)

    with shared_client(timeout=30) as client, ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, wanted))


def _manifest(client: httpx.Client, source: str, target: str, digest: str, name: str) -> None:
    answer = client.get(f"{source}/manifests/{digest}", headers=ACCEPT).raise_for_status()
    document = json.loads(answer.content)
    for child in document.get("manifests", []):
        _manifest(client, source, target, child["digest"], child["digest"])
    for blob in [*filter(None, [document.get("config")]), *document.get("layers", [])]:
        _blob(client, source, target, blob["digest"], may_lack="urls" in blob)
    client.put(
        f"{target}/manifests/{name}",
        content=answer.content,
        headers={"Content-Type": document["mediaType"]},
    ).raise_for_status()


def _blob(client: httpx.Client, source: str, target: str, digest: str, *, may_lack: bool) -> None:
    if client.head(f"{target}/blobs/{digest}").status_code == 200:
        return
    answer = client.get(f"{source}/blobs/{digest}")
    if may_lack and answer.status_code == 404:
        return
    data = answer.raise_for_status().content
    begun = client.post(f"{target}/blobs/uploads/").raise_for_status().headers["Location"]
    where = httpx.URL(target).join(begun).copy_merge_params({"digest": digest})
    client.put(where, content=data).raise_for_status()
