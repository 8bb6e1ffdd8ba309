"""Measured on a genuine Harbor core v2.9.5 and asked of the facade: what becomes of writes.

Each test is one statement: rights, mounts, quotas, and the rules of projects.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from scripts.world.images import ImageSpec, build
from scripts.world.registry import Registry
from tests.fakes.harbor import Harbor, HarborFault
from tests.fakes.harbor_client import (
    ACCEPT,
    IMAGE,
    LAYER,
    PULL,
    PUSH,
    TYPE,
    bearer,
    begin,
    error,
    finished,
    granted,
    mount,
    put,
    scope,
    upload,
    visiting,
)
from tests.fakes.harbor_projects import ANONYMOUS, Account
from tests.fakes.harbor_wire import READ_ON

OTHER = build(ImageSpec("other", own=(3000,)))
MIB = 1 << 20


@pytest.fixture
def client(harbor: Harbor) -> Iterator[httpx.Client]:
    with visiting(harbor) as client:
        yield client


@pytest.fixture
def robot(harbor: Harbor, client: httpx.Client) -> Account:
    return harbor.robot("tkg", "mirror", "robot's secret")


def test_a_robot_pushes_and_everybody_pulls(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    headers = bearer(harbor, PUSH, robot)
    for blob in IMAGE.blobs:
        assert upload(client, "tkg/pause", blob.read(), headers).status_code == 201
    assert put(client, "tkg/pause", IMAGE, headers, "3.9").status_code == 201
    headers = bearer(harbor, PULL)
    got = client.get("/v2/tkg/pause/manifests/3.9", headers={**ACCEPT, **headers})
    assert got.content == IMAGE.manifest.read()
    assert client.get(f"/v2/tkg/pause/blobs/{LAYER.digest}", headers=headers).content == (
        LAYER.read()
    )


def test_an_upload_may_come_in_pieces_without_a_length(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    headers, data = bearer(harbor, PUSH, robot), LAYER.read()
    where = begin(client, "tkg/pause", headers).headers["Location"]
    pieces = iter((data[:700], data[700:]))
    after = client.patch(where, content=pieces, headers=headers)
    assert (after.status_code, after.headers["Range"]) == (202, f"0-{len(data) - 1}")
    url = finished(httpx.URL(after.headers["Location"]), data)
    assert client.put(url, headers=headers).status_code == 201
    assert harbor.system.projects["tkg"].used == len(data)


def test_nobody_pushes_without_the_right(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    for account in (ANONYMOUS, harbor.user("guest", "g", {"tkg": "guest"})):
        assert begin(client, "tkg/pause", bearer(harbor, PUSH, account)).status_code == 401
    headers = bearer(harbor, scope("secret/pause", "pull,push"), robot)
    assert begin(client, "secret/pause", headers).status_code == 401


def test_a_robot_may_not_cancel_an_upload_and_it_stays(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    headers = bearer(harbor, PUSH, robot)
    where = begin(client, "tkg/pause", headers).headers["Location"]
    assert client.delete(where, headers=headers).status_code == 401
    assert client.get(where, headers=headers).status_code == 204
    assert client.delete(where, headers=bearer(harbor, PUSH, harbor.admin)).status_code == 204
    assert client.get(where, headers=headers).status_code == 404


def test_mounting_works_inside_a_project_and_from_a_public_one(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    harbor.project("open", public=True)
    for origin in ("tkg/pause", "open/pause"):
        harbor.add(origin, "3.9", IMAGE)
        token = harbor.token(f"{scope('tkg/new', 'pull,push')} {scope(origin)}", robot)
        assert mount(client, "tkg/new", origin, {"Authorization": f"Bearer {token}"}) == 201
    found = httpx.head(f"{harbor.registry.url}/v2/tkg/new/blobs/{LAYER.digest}", trust_env=False)
    assert found.status_code == 200


def test_mounting_from_a_private_project_is_401_and_opens_no_upload(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    harbor.add("secret/pause", "3.9", IMAGE)
    wanted = f"{scope('tkg/new', 'pull,push')} {scope('secret/pause')}"
    token = harbor.token(wanted, robot)
    before = len(harbor.registry.requests())
    assert mount(client, "tkg/new", "secret/pause", {"Authorization": f"Bearer {token}"}) == 401
    assert len(harbor.registry.requests()) == before


def test_a_quota_counts_at_the_put_and_not_at_the_post(
    harbor: Harbor, client: httpx.Client
) -> None:
    full = harbor.project("full", quota=5 * MIB)
    headers = bearer(harbor, scope("full/x", "pull,push"), harbor.admin)
    data = bytes(6 * MIB)
    assert len(data) > READ_ON, "the answer must survive the rest of a long body"
    answer = upload(client, "full/x", data, headers)
    status, code, message = error(answer)
    assert (status, code) == (403, "DENIED")
    assert message.startswith("adding 6.0 MiB ")
    assert "will exceed the configured upper limit of 5.0 MiB" in message
    assert upload(client, "full/x", bytes(4 * MIB), headers).status_code == 201
    assert upload(client, "full/y", bytes(4 * MIB), headers).status_code == 201, "counted once"
    assert full.used == 4 * MIB


def test_a_mount_counts_against_the_quota_of_the_project_it_goes_to(
    harbor: Harbor, client: httpx.Client
) -> None:
    """Read in the source, as no mount was measured."""
    full = harbor.project("full", quota=LAYER.size)
    harbor.add("tkg/pause", "3.9", IMAGE)
    token = harbor.token(f"{scope('full/x', 'pull,push')} {PULL}", harbor.admin)
    headers = {"Authorization": f"Bearer {token}"}
    assert upload(client, "full/x", b"1", headers).status_code == 201
    assert mount(client, "full/x", "tkg/pause", headers) == 403
    full.quota += 1
    assert mount(client, "full/x", "tkg/pause", headers) == 201
    assert full.used == LAYER.size + 1


def test_a_mount_of_what_is_not_there_opens_an_upload_and_books_nothing(
    harbor: Harbor, client: httpx.Client
) -> None:
    token = harbor.token(f"{scope('tkg/x', 'pull,push')} {PULL}", harbor.admin)
    assert mount(client, "tkg/x", "tkg/pause", {"Authorization": f"Bearer {token}"}) == 202
    assert harbor.system.projects["tkg"].sizes == {}


def test_an_upload_that_fails_gives_its_room_back(harbor: Harbor, client: httpx.Client) -> None:
    full = harbor.project("full", quota=5 * MIB)
    headers = bearer(harbor, scope("full/x", "pull,push"), harbor.admin)
    where = httpx.URL(begin(client, "full/x", headers).headers["Location"])
    url = finished(where, b"something else")
    assert client.put(url, content=bytes(100), headers=headers).status_code == 400
    assert full.used == 0


def test_a_chunked_put_is_booked_with_no_bytes_and_fails_whoever_sent_it(
    registry: Registry,
) -> None:
    def chunks() -> Iterator[bytes]:
        yield from (bytes(MIB),) * 6

    def send(harbor: Harbor) -> None:
        full = harbor.project("full", quota=5 * MIB)
        headers = bearer(harbor, scope("full/x", "pull,push"), harbor.admin)
        with httpx.Client(base_url=harbor.url, trust_env=False, timeout=5) as client:
            where = httpx.URL(begin(client, "full/x", headers).headers["Location"])
            url = finished(where, bytes(6 * MIB))
            assert client.put(url, content=chunks(), headers=headers).status_code == 201
        assert full.used == 0

    harbor = Harbor(registry)
    with pytest.raises(HarborFault, match="without Content-Length"), harbor:
        send(harbor)


def test_read_only_is_403_for_every_write_before_anybody_is_asked(
    harbor: Harbor, client: httpx.Client
) -> None:
    harbor.add("tkg/pause", "3.9", IMAGE)
    harbor.system.read_only = True
    words = (403, "DENIED", "The system is in read only mode. Any modification is prohibited.")
    for headers in ({}, bearer(harbor, PUSH, harbor.admin)):
        assert error(begin(client, "tkg/pause", headers)) == words
        assert error(put(client, "tkg/pause", OTHER, headers, "3.9")) == words
    headers = {**ACCEPT, **bearer(harbor, PULL)}
    assert client.get("/v2/tkg/pause/manifests/3.9", headers=headers).status_code == 200


def test_a_proxy_cache_claims_push_and_refuses_it(harbor: Harbor, client: httpx.Client) -> None:
    harbor.project("hub", public=True, proxy_cache=True)
    wanted = scope("hub/pause", "pull,push")
    assert "push" in granted(harbor, wanted, harbor.admin)
    headers = bearer(harbor, wanted, harbor.admin)
    words = (403, "DENIED", "can not push artifact to a proxy project")
    assert error(begin(client, "hub/pause", headers)) == words
    assert error(put(client, "hub/pause", IMAGE, headers)) == words


def test_an_immutable_tag_refuses_the_identical_manifest(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    harbor.project("fixed", public=True, immutable=True)
    harbor.add("fixed/pause", "3.9", IMAGE)
    headers = bearer(harbor, scope("fixed/pause", "pull,push"), harbor.admin)
    refused = put(client, "fixed/pause", IMAGE, headers, "3.9")
    assert error(refused)[:2] == (412, "PRECONDITION")
    assert put(client, "fixed/pause", IMAGE, headers).status_code == 201, "by digest"
    assert put(client, "fixed/pause", IMAGE, headers, "4.0").status_code == 201, "a new tag"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("rule", ["content_trust", "prevent_vulnerable"])
def test_unsigned_and_unscanned_images_are_412_for_everybody(
    harbor: Harbor, client: httpx.Client, method: str, rule: str
) -> None:
    harbor.add("tkg/pause", "3.9", IMAGE)
    setattr(harbor.system.projects["tkg"], rule, True)
    for name in ("3.9", IMAGE.manifest.digest):
        for account in (ANONYMOUS, harbor.admin):
            headers = {**ACCEPT, **bearer(harbor, PULL, account)}
            path = f"/v2/tkg/pause/manifests/{name}"
            assert client.request(method, path, headers=headers).status_code == 412
    found = client.get(f"/v2/tkg/pause/manifests/{name}", headers=headers)
    assert error(found)[1] == "PROJECTPOLICYVIOLATION"


def test_a_signed_image_can_be_pulled_and_an_unsigned_one_pushed(
    harbor: Harbor, client: httpx.Client
) -> None:
    digest = harbor.add("tkg/pause", "3.9", IMAGE)
    project = harbor.system.projects["tkg"]
    project.content_trust = True
    project.signed.add(digest)
    headers = bearer(harbor, PUSH, harbor.admin)
    path = "/v2/tkg/pause/manifests/3.9"
    assert client.get(path, headers={**headers, **ACCEPT}).status_code == 200
    project.signed.clear()
    assert put(client, "tkg/pause", IMAGE, headers, "4.0").status_code == 201


@pytest.mark.parametrize(
    ("place", "who", "status", "code"),
    [
        ("tkg/pause", "admin", 400, "DIGEST_INVALID"),
        ("tkg/pause", "robot", 400, "DIGEST_INVALID"),
        ("tkg/pause", "anonymous", 401, "UNAUTHORIZED"),
        ("secret/pause", "robot", 401, "UNAUTHORIZED"),
        ("nowhere/pause", "robot", 401, "UNAUTHORIZED"),
        ("hub/pause", "admin", 403, "DENIED"),
    ],
)
def test_a_manifest_under_a_wrong_digest_shows_who_may_push(
    harbor: Harbor,
    client: httpx.Client,
    robot: Account,
    place: str,
    who: str,
    status: int,
    code: str,
) -> None:
    harbor.project("hub", proxy_cache=True)
    account = {"admin": harbor.admin, "robot": robot, "anonymous": ANONYMOUS}[who]
    headers = bearer(harbor, scope(place, "pull,push"), account) | TYPE
    path = f"/v2/{place}/manifests/sha256:{'0' * 64}"
    assert error(client.put(path, content=b"{}", headers=headers))[:2] == (status, code)
