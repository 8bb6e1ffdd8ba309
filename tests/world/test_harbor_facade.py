"""Measured on a genuine Harbor core v2.9.5 and asked of the facade: who is let in, and by what.

Each test is one statement. Writing and the API have files of their own beside this one; the last
tests are about the facade itself.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import trustme

from scripts.world.registry import Registry
from tests.fakes.harbor import Harbor
from tests.fakes.harbor_client import (
    ACCEPT,
    IMAGE,
    LAYER,
    PULL,
    PUSH,
    actions,
    bearer,
    begin,
    error,
    finished,
    granted,
    scope,
    upload,
    visiting,
)
from tests.fakes.harbor_projects import ANONYMOUS, Account
from tests.fakes.harbor_tokens import claims
from tests.fakes.harbor_wire import Front, Relay

BASIC = 'Basic realm="harbor"'


@pytest.fixture
def client(harbor: Harbor) -> Iterator[httpx.Client]:
    with visiting(harbor) as client:
        yield client


@pytest.fixture
def robot(harbor: Harbor, client: httpx.Client) -> Account:
    return harbor.robot("tkg", "mirror", "robot's secret")


# --- the door ---------------------------------------------------------------------------------


def test_v2_is_401_for_anonymous_and_says_where_tokens_are(
    harbor: Harbor, client: httpx.Client
) -> None:
    answer = client.get("/v2/")
    realm = f'Bearer realm="{harbor.url}/service/token",service="harbor-registry"'
    assert (answer.status_code, answer.headers["Www-Authenticate"]) == (401, realm)


def test_v2_is_401_even_with_a_valid_anonymous_token(harbor: Harbor, client: httpx.Client) -> None:
    headers = bearer(harbor, PULL)
    answer = client.get("/v2/", headers=headers)
    assert (answer.status_code, answer.headers["Www-Authenticate"]) == (401, BASIC)
    assert client.get("/v2/tkg/pause/tags/list", headers=headers).status_code == 404


def test_v2_tells_right_from_wrong_passwords(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    assert client.get("/v2/", auth=harbor.admin.login).json() == {}
    assert client.get("/v2/", auth=robot.login).status_code == 200
    wrong = client.get("/v2/", auth=("admin", "wrong"))
    assert (wrong.status_code, wrong.headers["Www-Authenticate"]) == (401, BASIC)


def test_v2_is_open_with_a_users_token(harbor: Harbor, client: httpx.Client) -> None:
    assert client.get("/v2/", headers=bearer(harbor, "", harbor.admin)).status_code == 200


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("GET", "manifests/3.9"),
        ("HEAD", "manifests/3.9"),
        ("GET", f"blobs/{LAYER.digest}"),
        ("HEAD", f"blobs/{LAYER.digest}"),
        ("GET", "tags/list"),
    ],
)
def test_a_public_repository_is_401_without_a_header(
    harbor: Harbor, client: httpx.Client, method: str, rest: str
) -> None:
    harbor.add("tkg/pause", "3.9", IMAGE)
    path = f"/v2/tkg/pause/{rest}"
    answer = client.request(method, path, headers=ACCEPT)
    assert answer.status_code == 401
    assert answer.headers["Www-Authenticate"].endswith(f'scope="{PULL}"')
    headers = {**ACCEPT, **bearer(harbor, PULL)}
    assert client.request(method, path, headers=headers).status_code == 200


def test_a_private_project_is_401_with_an_anonymous_token(
    harbor: Harbor, client: httpx.Client
) -> None:
    harbor.add("secret/pause", "3.9", IMAGE)
    headers = bearer(harbor, scope("secret/pause"))
    answer = client.get("/v2/secret/pause/manifests/3.9", headers={**ACCEPT, **headers})
    assert (answer.status_code, answer.headers["Www-Authenticate"]) == (401, BASIC)


def test_a_missing_project_is_401_with_an_empty_challenge(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    for account in (ANONYMOUS, robot, harbor.admin):
        headers = bearer(harbor, scope("nowhere/pause", "pull,push"), account)
        for method, rest in (("GET", "manifests/3.9"), ("POST", "blobs/uploads/")):
            answer = client.request(method, f"/v2/nowhere/pause/{rest}", headers=headers)
            assert answer.headers["Www-Authenticate"] == ""
            assert error(answer) == (401, "UNAUTHORIZED", "project nowhere not found")


def test_a_missing_project_is_told_to_an_anonymous_post(client: httpx.Client) -> None:
    answer = begin(client, "nowhere/pause", {})
    assert answer.headers["Www-Authenticate"] == ""
    assert error(answer)[2] == "project nowhere not found"


def test_what_is_missing_in_a_public_project_is_404(harbor: Harbor, client: httpx.Client) -> None:
    headers = {**ACCEPT, **bearer(harbor, PULL)}
    absent = client.get("/v2/tkg/pause/manifests/3.9", headers=headers)
    assert error(absent) == (404, "NOT_FOUND", "repository tkg/pause not found")
    harbor.add("tkg/pause", "3.9", IMAGE)
    other = client.get("/v2/tkg/pause/manifests/4.0", headers=headers)
    assert error(other)[:2] == (404, "MANIFEST_UNKNOWN")


def test_a_manifest_is_404_for_who_does_not_name_its_type(
    harbor: Harbor, client: httpx.Client
) -> None:
    harbor.add("tkg/pause", "3.9", IMAGE)
    headers = bearer(harbor, PULL)
    path = "/v2/tkg/pause/manifests/3.9"
    assert client.get(path, headers=headers).status_code == 404
    assert client.get(path, headers={**headers, **ACCEPT}).content == IMAGE.manifest.read()


def test_every_answer_has_a_request_id_and_a_cookie(harbor: Harbor, client: httpx.Client) -> None:
    relayed = client.get("/v2/tkg/pause/tags/list", headers=bearer(harbor, PULL))
    for answer in (client.get("/v2/"), client.get("/api/v2.0/ping"), relayed):
        assert answer.headers["X-Request-Id"]
        assert answer.headers["Set-Cookie"].startswith("sid=")


# --- tokens -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repository", "allowed"), [("tkg/pause", ["pull"]), ("secret/x", []), ("nowhere/x", [])]
)
def test_anonymous_tokens_pull_from_public_projects_only(
    harbor: Harbor, client: httpx.Client, repository: str, allowed: list[str]
) -> None:
    assert granted(harbor, scope(repository)) == allowed
    assert granted(harbor, scope(repository, "pull,push")) == allowed


def test_a_token_grants_more_than_was_asked_for_in_any_order(
    harbor: Harbor, client: httpx.Client
) -> None:
    seen = {tuple(granted(harbor, PULL, harbor.admin)) for _ in range(20)}
    assert len(seen) > 1
    assert {frozenset(each) for each in seen} == {frozenset({"pull", "push", "delete"})}


def test_the_answer_has_an_empty_access_token_and_1800_seconds(client: httpx.Client) -> None:
    answer = client.get("/service/token", params={"scope": PULL}).json()
    assert answer["access_token"] == ""
    assert (answer["expires_in"], bool(answer["token"])) == (1800, True)


def test_an_anonymous_token_has_no_subject_and_a_users_has(
    harbor: Harbor, client: httpx.Client
) -> None:
    assert "sub" not in claims(harbor.token(PULL))
    assert claims(harbor.token(PULL, harbor.admin))["sub"] == "admin"


def test_anonymous_without_a_scope_gets_no_token(harbor: Harbor, client: httpx.Client) -> None:
    assert client.get("/service/token").status_code == 401
    assert client.get("/service/token", auth=harbor.admin.login).status_code == 200


def test_tokens_cannot_be_posted_for(client: httpx.Client) -> None:
    assert client.post("/service/token", data={"scope": PULL}).status_code == 405


def test_a_wrong_password_gets_an_anonymous_token(harbor: Harbor, client: httpx.Client) -> None:
    asked = {"params": {"scope": PUSH}, "auth": ("admin", "wrong")}
    answer = client.get("/service/token", **asked)  # type: ignore[arg-type]
    assert answer.status_code == 200
    assert actions(answer.json()["token"]) == ["pull"]


def test_a_token_counts_for_every_repository_of_its_project(
    harbor: Harbor, client: httpx.Client
) -> None:
    headers = bearer(harbor, scope("tkg/other"))
    assert client.get("/v2/tkg/a/b/c/tags/list", headers=headers).status_code == 404
    assert client.get("/v2/secret/a/tags/list", headers=headers).status_code == 401


def test_a_repository_without_a_project_yields_no_access(
    harbor: Harbor, client: httpx.Client
) -> None:
    assert claims(harbor.token(scope("pause"), harbor.admin))["access"] == []


@pytest.mark.parametrize("by_itself", [True, False])
def test_an_ended_token_is_refused_with_a_basic_challenge(
    harbor: Harbor, client: httpx.Client, robot: Account, by_itself: bool
) -> None:
    headers = bearer(harbor, PUSH, robot)
    assert begin(client, "tkg/pause", headers).status_code == 202
    harbor.limit_tokens(1) if by_itself else harbor.expire_tokens()
    answer = begin(client, "tkg/pause", headers)
    assert (answer.status_code, answer.headers["Www-Authenticate"]) == (401, BASIC)


# --- the facade itself ------------------------------------------------------------------------


def test_bodies_stream_through_in_pieces() -> None:
    """The first piece is behind the facade while the last one is not yet made."""
    size, arrived = 100_000, threading.Event()

    def behind(listener: socket.socket) -> None:
        connection, _address = listener.accept()
        with connection, connection.makefile("rb") as received:
            head = iter(received.readline, b"\r\n")
            assert f"content-length: {2 * size}\r\n".encode() in list(head)
            received.read(size)
            arrived.set()
            received.read(size)
            connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    def body() -> Iterator[bytes]:
        yield bytes(size)
        assert arrived.wait(5)
        yield bytes(size)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(2) as pool:
        done = pool.submit(behind, listener)
        front = Front(lambda _: Relay(), lambda *_: None, listener.getsockname()[1], None)
        served = pool.submit(front.run)
        url = f"http://127.0.0.1:{front.server_port}/v2/x/blobs/uploads/1"
        length = {"Content-Length": str(2 * size)}
        try:
            answer = httpx.put(url, content=body(), headers=length, trust_env=False)
        finally:
            front.end()
        assert (answer.status_code, done.result(), served.result()) == (201, None, None)


def test_a_client_that_goes_away_inside_a_body_commits_nothing(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    headers = bearer(harbor, PUSH, robot)
    where = begin(client, "tkg/pause", headers).headers["Location"]

    def body() -> Iterator[bytes]:
        yield bytes(100)
        raise KeyboardInterrupt

    url = finished(httpx.URL(where), bytes(200))
    length = {"Content-Length": "200"}
    with pytest.raises(KeyboardInterrupt):
        client.put(url, content=body(), headers=headers | length)
    head = client.head(f"/v2/tkg/pause/blobs/{url.params['digest']}", headers=headers)
    assert head.status_code == 404


def test_a_lost_answer_is_of_a_request_that_was_done(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    headers, data = bearer(harbor, PUSH, robot), LAYER.read()
    harbor.lose("PUT", "/blobs/uploads/")
    with pytest.raises(httpx.RemoteProtocolError):
        upload(client, "tkg/pause", data, headers)
    assert harbor.system.projects["tkg"].used == len(data)
    assert upload(client, "tkg/pause", data, headers).status_code == 201, "only one is lost"


def test_it_speaks_tls_and_says_so_in_its_urls(registry: Registry) -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with Harbor(registry, tls=server) as harbor:
        harbor.project("tkg")
        with httpx.Client(base_url=harbor.url, verify=trusting, trust_env=False) as client:
            realm = f'realm="https://{harbor.host}/service/token"'
            assert realm in client.get("/v2/").headers["Www-Authenticate"]
            begun = begin(client, "tkg/pause", bearer(harbor, PUSH, harbor.admin))
            assert begun.headers["Location"].startswith(f"https://{harbor.host}/v2/tkg/pause/")


def test_a_fault_of_the_facade_itself_comes_out(registry: Registry) -> None:
    def broken(harbor: Harbor) -> None:
        harbor.system.projects = None  # type: ignore[assignment]
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{harbor.url}/api/v2.0/projects", trust_env=False)

    harbor = Harbor(registry)
    with pytest.raises(AttributeError), harbor:
        broken(harbor)
