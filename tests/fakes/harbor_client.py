"""A plain client of the Harbor facade, in a few lines each: tokens, uploads, mounts, manifests.

    with visiting(harbor) as client:
        headers = bearer(harbor, PUSH, robot)
        upload(client, "tkg/pause", b"bytes", headers).status_code    # 201
        error(begin(client, "secret/x", headers))                     # (401, "UNAUTHORIZED", ...)

It is no part of the tool, and does what it is told, right or wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from scripts.world.images import OCI, Image, ImageSpec, build
from tests.fakes.harbor import Harbor
from tests.fakes.harbor_projects import ANONYMOUS, Account
from tests.fakes.harbor_tokens import claims

IMAGE = build(ImageSpec("pause", own=(2000,)))
LAYER = IMAGE.blobs[1]
ACCEPT = {"Accept": OCI.manifest}
TYPE = {"Content-Type": OCI.manifest}
PULL, PUSH = "repository:tkg/pause:pull", "repository:tkg/pause:pull,push"


@contextmanager
def visiting(harbor: Harbor) -> Iterator[httpx.Client]:
    """A client of a Harbor with a public project `tkg` and a private one `secret`."""
    harbor.project("tkg", public=True)
    harbor.project("secret")
    with httpx.Client(base_url=harbor.url, trust_env=False, timeout=5) as client:
        yield client


def bearer(harbor: Harbor, scope: str, account: Account = ANONYMOUS) -> dict[str, str]:
    return {"Authorization": f"Bearer {harbor.token(scope, account)}"}


def scope(repository: str, wanted: str = "pull") -> str:
    return f"repository:{repository}:{wanted}"


def granted(harbor: Harbor, wanted: str, account: Account = ANONYMOUS) -> list[str]:
    """The actions that a token for one scope claims, in its order."""
    return actions(harbor.token(wanted, account))


def actions(token: str) -> list[str]:
    access: Any = claims(token)["access"]
    assert len(access) == 1
    return list(access[0]["actions"])


def error(answer: httpx.Response) -> tuple[int, str, str]:
    first = answer.json()["errors"][0]
    return answer.status_code, first["code"], first["message"]


def begin(client: httpx.Client, repository: str, headers: dict[str, str]) -> httpx.Response:
    return client.post(f"/v2/{repository}/blobs/uploads/", headers=headers)


def upload(
    client: httpx.Client, repository: str, data: bytes, headers: dict[str, str]
) -> httpx.Response:
    begun = begin(client, repository, headers)
    assert begun.status_code == 202, begun.text
    where = httpx.URL(begun.headers["Location"])
    return client.put(finished(where, data), content=data, headers=headers)


def finished(where: httpx.URL, data: bytes) -> httpx.URL:
    return where.copy_merge_params({"digest": f"sha256:{hashlib.sha256(data).hexdigest()}"})


def mount(client: httpx.Client, target: str, origin: str, headers: dict[str, str]) -> int:
    query = {"mount": LAYER.digest, "from": origin}
    path = f"/v2/{target}/blobs/uploads/"
    return client.post(path, params=query, headers=headers).status_code


def put(
    client: httpx.Client, place: str, image: Image, headers: dict[str, str], name: str = ""
) -> httpx.Response:
    path = f"/v2/{place}/manifests/{name or image.manifest.digest}"
    return client.put(path, content=image.manifest.read(), headers={**headers, **TYPE})
