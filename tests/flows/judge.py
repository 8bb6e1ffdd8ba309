"""What is visible at a real registry, found out by plain requests and without the tool."""

from __future__ import annotations

import json

import httpx

from scripts.world.seed import ACCEPT
from tests.fakes.store import sha256

__all__ = ["visible"]


def visible(url: str) -> dict[str, str]:
    """Every tag of a real registry with its digest; fails where anything below one is not whole."""
    found = {}
    with httpx.Client(base_url=url, headers=ACCEPT, trust_env=False) as client:
        for name in client.get("/v2/_catalog").json()["repositories"]:
            for tag in client.get(f"/v2/{name}/tags/list").json().get("tags") or []:
                found[f"{name}:{tag}"] = _followed(client, f"/v2/{name}", f"manifests/{tag}")
    return found


def _followed(client: httpx.Client, path: str, place: str) -> str:
    raw = client.get(f"{path}/{place}").raise_for_status().content
    if place.startswith("manifests/"):
        document = json.loads(raw)
        for child in document.get("manifests", []):
            assert _followed(client, path, f"manifests/{child['digest']}") == child["digest"]
        for blob in [*filter(None, [document.get("config")]), *document.get("layers", [])]:
            assert _followed(client, path, f"blobs/{blob['digest']}") == blob["digest"]
    return sha256(raw)
