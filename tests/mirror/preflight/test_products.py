"""API-2: each product by its signs, and none by those of another."""

from __future__ import annotations

import pytest

from mirror.preflight.interface import Status
from mirror.preflight.products import (
    ARTIFACTORY,
    DISTRIBUTION,
    ECR,
    HARBOR,
    NEXUS,
    ZOT,
    Product,
    product,
)
from scripts.world.registry import Registry
from tests.fakes.behaviours import Behaviour, answer, hang_up, redirect
from tests.fakes.harbor import Harbor
from tests.fakes.message import Reply, json_reply
from tests.fakes.simple import FakeRegistry
from tests.fakes.token_server import TokenRegistry
from tests.mirror.preflight.strangers import examined, scene_of

ROOT = "^/v2/$"
PAGE = {"Content-Type": "text/html"}


def told(host: str) -> Product:
    with scene_of(f"{host}/tkg") as scene:
        return scene.once(product)


def saying(reply: Reply) -> Behaviour:
    return lambda _request, _go: reply


def nothing_special(fake: FakeRegistry) -> None:
    """Leave nothing that Distribution would be known by."""
    fake.on("*", "^/v2/(?!_)", answer(401, WWW_Authenticate='Basic realm="x"'))


def test_harbor(harbor: Harbor) -> None:
    harbor.project("tkg", public=True)
    assert told(harbor.host).name == HARBOR
    assert f"it is {HARBOR}" in examined(f"{harbor.host}/tkg")["API-2"].summary


def test_harbor_by_its_challenge_alone_is_none(fake: FakeRegistry) -> None:
    challenge = f'Bearer realm="{fake.url}/service/token",service="harbor-registry"'
    fake.on("GET", ROOT, answer(401, WWW_Authenticate=challenge))
    fake.on("GET", "^/api/", saying(Reply(200, PAGE, b"Pong")))
    assert told(fake.host).name == ""


def test_a_harbor_that_is_too_busy_to_say_so_is_one(fake: FakeRegistry) -> None:
    challenge = f'Bearer realm="{fake.url}/service/token",service="harbor-registry"'
    fake.on("GET", ROOT, answer(401, WWW_Authenticate=challenge))
    fake.on("GET", "^/api/", answer(429))
    assert told(fake.host).name == HARBOR


@pytest.mark.parametrize(
    ("said", "version"),
    [("v2.9.5-8bbe4ba1", "v2.9.5-8bbe4ba1"), (None, ""), ("\x1b[2J", ""), (7, ""), ("v" * 99, "")],
)
def test_a_version_is_shown_where_it_looks_like_one(
    fake: FakeRegistry, said: object, version: str
) -> None:
    challenge = f'Bearer realm="{fake.url}/service/token",service="harbor-registry"'
    fake.on("GET", ROOT, answer(401, WWW_Authenticate=challenge))
    fake.on("GET", "/ping$", saying(Reply(200, {"Content-Type": "text/plain"}, b"Pong")))
    fake.on("GET", "/systeminfo$", saying(json_reply({"harbor_version": said})))
    assert told(fake.host).version == version


def test_distribution_open_locked_and_with_tokens(
    registry: Registry, locked_registry: Registry, token_registry: TokenRegistry
) -> None:
    for host in (registry.host, locked_registry.host, token_registry.host):
        assert told(host) == Product(DISTRIBUTION, "2.x", told(host).signs)


def test_distribution_3_leaves_the_charset_out(fake: FakeRegistry) -> None:
    headers = {"Docker-Distribution-Api-Version": "registry/2.0"}
    reply = Reply(200, {**headers, "Content-Type": "application/json"}, b"{}")
    fake.on("GET", ROOT, saying(reply))
    assert told(fake.host).version == "3.x"


@pytest.mark.parametrize(
    ("path", "document", "version"),
    [
        ("/v2/_zot/ext/mgmt", {"distSpecVersion": "1.1.0", "releaseTag": "v2.1.2"}, "v2.1.2"),
        ("/v2/_zot/ext/mgmt", {"binaryType": "-minimal"}, ""),
        ("/v2/_oci/ext/discover", {"extensions": [{"name": "_zot"}]}, ""),
    ],
)
def test_zot(fake: FakeRegistry, path: str, document: object, version: str) -> None:
    fake.on("GET", path, saying(json_reply(document)))
    found = told(fake.host)
    assert (found.name, found.version) == (ZOT, version)


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ({"X-JFrog-Version": "Artifactory/7.90.1 79001900"}, "7.90.1"),
        ({"Server": "Artifactory/7.4.3"}, "7.4.3"),
        ({"X-Artifactory-Id": "ab:cd"}, ""),
    ],
)
def test_artifactory_by_its_headers(
    fake: FakeRegistry, headers: dict[str, str], version: str
) -> None:
    fake.on("GET", ROOT, lambda _request, go: Reply(200, {**go().headers, **headers}, b"{}"))
    found = told(fake.host)
    assert (found.name, found.version) == (ARTIFACTORY, version)


def test_artifactory_by_its_ping_and_what_is_advised(fake: FakeRegistry) -> None:
    nothing_special(fake)
    fake.on("GET", "/api/system/ping$", saying(Reply(200, {"Content-Type": "text/plain"}, b"OK")))
    fake.on("GET", "/api/system/version$", saying(json_reply({"version": "7.77.5"})))
    found = examined(f"{fake.host}/tkg")
    assert found["API-2"].status is Status.WARN
    assert "Artifactory 7.77.5" in found["API-2"].summary
    assert "CVE-2026-42018" in found["API-2"].fix
    assert "Allow Anonymous Access" in found["REG-1"].fix


@pytest.mark.parametrize(
    "headers",
    [
        {"Server": "Nexus/3.68.1-02 (OSS)"},
        {"WWW-Authenticate": 'BASIC realm="Sonatype Nexus Repository Manager"'},
    ],
)
def test_nexus_and_its_three_switches(fake: FakeRegistry, headers: dict[str, str]) -> None:
    challenge = {"WWW-Authenticate": 'BASIC realm="x"'}
    fake.on("*", "^/v2/", saying(Reply(401, {**challenge, **headers})))
    assert told(fake.host).name == NEXUS
    found = examined(f"{fake.host}/tkg")
    assert found["API-2"].status is Status.PASS
    assert "Docker Bearer Token Realm" in found["REG-1"].fix
    assert "forceBasicAuth" in found["REG-1"].fix


def test_nexus_by_its_status(fake: FakeRegistry) -> None:
    nothing_special(fake)
    fake.on("GET", "^/service/rest/", saying(Reply(200, {"Server": "Nexus/3.70.0-03 (PRO)"})))
    assert told(fake.host) == Product(NEXUS, "3.70.0-03", ("GET /service/rest/v1/status",))


def test_ecr_by_its_challenge_lets_nobody_in(fake: FakeRegistry) -> None:
    challenge = (
        'Basic realm="https://x.dkr.ecr.eu-west-1.amazonaws.com/",service="ecr.amazonaws.com"'
    )
    fake.on("*", "^/v2/", answer(401, WWW_Authenticate=challenge))
    found = examined(f"{fake.host}/tkg")
    assert found["API-2"].summary == f"it is {ECR}"
    assert found["REG-1"].status is Status.FAIL
    assert "put a registry before it" in found["REG-1"].fix


def test_one_that_is_not_known_is_no_failure(fake: FakeRegistry) -> None:
    nothing_special(fake)
    found = examined(f"{fake.host}/tkg")["API-2"]
    assert (found.status, found.unknown) == (Status.SKIP, False)


# --- what must not mislead it -------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["^/api/", "_zot|_oci", "^/artifactory", "^/service"])
@pytest.mark.parametrize(
    "behaviour",
    [
        hang_up(),
        answer(503),
        saying(Reply(200, PAGE, b"OK")),
        saying(Reply(200, {"Content-Type": "application/json"}, b"[" * 200_000)),
        saying(
            Reply(200, {"Content-Type": "application/json"}, b'{"extensions": [1, {"a": 2}, null]}')
        ),
    ],
    ids=["silent", "503", "page", "deep", "odd"],
)
def test_odd_answers_to_its_questions_are_nobodys_sign(
    fake: FakeRegistry, pattern: str, behaviour: Behaviour
) -> None:
    nothing_special(fake)
    fake.on("GET", pattern, behaviour)
    assert told(fake.host) == Product()


def test_no_redirect_is_followed_and_nobody_else_asked(fake: FakeRegistry) -> None:
    with FakeRegistry() as other:
        nothing_special(fake)
        fake.on("GET", "^/(?!v2/$)", redirect(other.url))
        assert told(fake.host) == Product()
        assert other.requests == []


def test_an_endless_answer_is_cut(fake: FakeRegistry) -> None:
    nothing_special(fake)
    body = b'{"distSpecVersion": "' + b"a" * (1 << 20) + b'"}'
    fake.on("GET", "_zot", saying(Reply(200, {"Content-Type": "application/json"}, body)))
    assert told(fake.host) == Product()
