"""Journeys to and from real registries that are full, closed, doubled, or want tokens.

What is at a destination is judged without the tool: every tag is followed down to its blobs, and
each byte is hashed, at a second registry over the same storage that asks nobody anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from scripts.world.images import Image, ImageSpec, build
from scripts.world.registry import Registry
from scripts.world.seed import ACCEPT, Seeder
from tests.fakes.front import Front, Route
from tests.fakes.registries import (
    PASSWORD,
    USER,
    ReadOnly,
    Replicas,
    SmallDisk,
    Source,
    TlsRegistry,
)
from tests.fakes.simple import FakeRegistry
from tests.fakes.token_server import TokenRegistry
from tests.flows.cli import Ran, run

PLAIN = "--plain-http"
LOGIN = ("--username", USER, "--password-stdin")
# Nobody owns this name: a rewrite says where the images are, so that no port is in any bundle.
NAMED = "registry.example.com"
# Six images: twelve blobs of some kilobytes, and one that comes in many pieces.
SIZES = (3_000, 4_000, 5_000, 6_000, 7_000, 1_500_000)
IMAGES = {f"app-{n}:v1": build(ImageSpec(f"app-{n}", own=(s,))) for n, s in enumerate(SIZES)}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "x.tar"
    with FakeRegistry() as source:
        for name, image in IMAGES.items():
            repository, _, tag = name.partition(":")
            source.add(f"tkg/{repository}", tag, image)
        ran = create(source.host, path, PLAIN)
    assert ran.code == 0, ran.err
    return path


def create(host: str, path: Path, *more: object, stdin: str = "") -> Ran:
    names = path.with_suffix(".txt")
    names.write_text("".join(f"{NAMED}/tkg/{name}\n" for name in IMAGES))
    command = ("bundle", "create", "--images", names, "--source-repo", f"{NAMED}/tkg")
    return run(*command, "--rewrite", f"{NAMED}={host}", "-o", path, *more, stdin=stdin)


def push(bundle: Path, host: str, *more: object, stdin: str = "") -> Ran:
    return run("bundle", "push", bundle, f"{host}/air/gap", *more, stdin=stdin)


def seed(url: str, client: httpx.Client) -> None:
    for name, image in IMAGES.items():
        repository, _, tag = name.partition(":")
        Seeder(url, client).put(f"tkg/{repository}", tag, image)


def seed_behind(registry: Registry) -> None:
    """Put the images where a closed registry has its own."""
    with Registry(registry.storage) as open_one, httpx.Client(trust_env=False) as client:
        seed(open_one.url, client)


def whole(images: dict[str, Image] = IMAGES) -> dict[str, str]:
    return {f"air/gap/{name}": image.manifest.digest for name, image in images.items()}


def visible(storage: Path) -> dict[str, str]:
    """Every tag there is, with its digest; fails where anything below one is not whole."""
    with Registry(storage) as judge:
        return visible_at(judge.url)


def visible_at(url: str) -> dict[str, str]:
    found = {}
    with httpx.Client(base_url=url, headers=ACCEPT, trust_env=False) as client:
        for name in client.get("/v2/_catalog").json()["repositories"]:
            for tag in client.get(f"/v2/{name}/tags/list").json().get("tags") or []:
                found[f"{name}:{tag}"] = followed(client, f"/v2/{name}", tag)
    return found


def followed(client: httpx.Client, path: str, name: str) -> str:
    raw = client.get(f"{path}/manifests/{name}").raise_for_status().content
    manifest = json.loads(raw)
    for blob in (manifest["config"], *manifest["layers"]):
        content = client.get(f"{path}/blobs/{blob['digest']}").raise_for_status().content
        assert f"sha256:{hashlib.sha256(content).hexdigest()}" == blob["digest"]
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


# --- full, and closed -------------------------------------------------------------------------


@pytest.mark.parametrize("leave", [0, 200_000], ids=["no byte", "some blobs fit"])
def test_a_full_disk_is_named_shows_nothing_and_is_survived_by_making_room(
    bundle: Path, small_disk: SmallDisk, leave: int
) -> None:
    host = small_disk.registry.host
    small_disk.fill(leave)
    ran = push(bundle, host, PLAIN, "-j", 1)
    assert ran.code == 4
    assert [line.status for line in small_disk.registry.requests()].count(500) == 1
    assert "no space left on device" in ran.err.lower()
    assert "its disk is full: make room there" in ran.err
    assert f"the destination registry {host}" in ran.err
    assert visible_at(small_disk.registry.url) == {}
    small_disk.make_room()
    again = push(bundle, host, PLAIN)
    assert again.code == 0, again.err
    assert visible_at(small_disk.registry.url) == whole()


def test_a_registry_in_maintenance_is_asked_once_and_says_it_takes_nothing(
    bundle: Path, read_only: ReadOnly
) -> None:
    ran = push(bundle, read_only.registry.host, PLAIN, "-j", 1)
    assert ran.code == 5
    assert f"{read_only.registry.host} answered 405" in ran.err
    assert "read-only" in ran.err
    assert "log in" not in ran.err
    refused = [line for line in read_only.registry.requests() if line.status == 405]
    assert [line.method for line in refused] == ["POST"]
    with read_only.writable() as after:
        assert push(bundle, after.host, PLAIN).code == 0
    assert visible(read_only.shelf) == whole()


def test_a_cache_takes_no_push_in_its_own_words(bundle: Path, cache_of_source: Registry) -> None:
    ran = push(bundle, cache_of_source.host, PLAIN, "-j", 1)
    assert ran.code == 5
    assert "UNSUPPORTED: The operation is unsupported" in ran.err
    assert "only a cache" in ran.err


def test_a_cache_gives_the_same_bundle_as_its_source(
    source: Source, cache_of_source: Registry, tmp_path: Path
) -> None:
    names = tmp_path / "images.txt"
    names.write_text("".join(f"{NAMED}/{e.repository}:{e.tag}\n" for e in source.entries))
    made = list[bytes]()
    for host in (source.host, cache_of_source.host, cache_of_source.host):
        path = tmp_path / f"{len(made)}.tar"
        where = ("--rewrite", f"{NAMED}={host}", PLAIN)
        ran = run("bundle", "create", "--images", names, *where, "-o", path)
        assert ran.code == 0, ran.err
        made.append(path.read_bytes())
    assert made[0] == made[1] == made[2]


# --- a private authority ----------------------------------------------------------------------


def plain(path: Path) -> Path:
    return path


def coded(path: Path) -> Path:
    """The form that TKG's own variable has: base64 of PEM, on one line."""
    path.with_suffix(".b64").write_bytes(base64.b64encode(path.read_bytes()))
    return path.with_suffix(".b64")


@pytest.mark.parametrize("form", [plain, coded])
def test_a_private_authority_is_trusted_both_ways(
    bundle: Path, tls_registry: TlsRegistry, tmp_path: Path, form: Callable[[Path], Path]
) -> None:
    trust = ("--ca-file", form(tls_registry.ca_file))
    assert push(bundle, tls_registry.host, *trust).code == 0
    assert visible(tls_registry.registry.storage) == whole()
    ran = create(
        f"{tls_registry.host}/air",
        tmp_path / "x.tar",
        *trust,
        "--rewrite",
        rewritten(tls_registry.host),
    )
    assert ran.code == 0, ran.err
    assert (tmp_path / "x.tar").read_bytes() == bundle.read_bytes()


def rewritten(host: str) -> str:
    return f"{NAMED}/tkg={host}/air/gap"


def test_without_it_nothing_is_sent_and_the_option_is_named(
    bundle: Path, tls_registry: TlsRegistry, tmp_path: Path
) -> None:
    for ran in (
        push(bundle, tls_registry.host),
        create(tls_registry.host, tmp_path / "x.tar"),
    ):
        assert ran.code == 4
        assert "--ca-file" in ran.err
        assert "CERTIFICATE_VERIFY_FAILED" in ran.err
    assert not tls_registry.registry.requests()


# --- replicas ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "pattern", "nth"),
    [("POST", "/uploads/", 2), ("PUT", "/uploads/", 3), ("PUT", "/manifests/", 2)],
)
def test_a_registry_that_dies_in_the_middle_of_a_push_is_survived(
    bundle: Path, replicas: Replicas, method: str, pattern: str, nth: int
) -> None:
    replicas.front.before(method, pattern, replicas.cut_off, nth=nth)
    ran = push(bundle, replicas.front.host, PLAIN, "-j", 1)
    assert ran.code == 0, ran.err
    assert replicas.two.requests()
    assert visible(replicas.two.storage) == whole()


# --- tokens -----------------------------------------------------------------------------------


@pytest.fixture
def tokens(token_registry: TokenRegistry) -> TokenRegistry:
    """A registry with token auth that knows USER."""
    token_registry.tokens.users[USER] = PASSWORD
    return token_registry


def statuses(tokens: TokenRegistry, method: str, pattern: str) -> list[int]:
    lines = tokens.registry.requests()
    return [line.status for line in lines if line.method == method and pattern in line.path]


@pytest.mark.parametrize(("pattern", "nth"), [("/manifests/", 3), ("/blobs/", 1), ("/blobs/", 7)])
def test_tokens_that_end_in_the_middle_of_a_create_are_survived(
    bundle: Path, tokens: TokenRegistry, tmp_path: Path, pattern: str, nth: int
) -> None:
    seed_behind(tokens.registry)
    tokens.tokens.anonymous = frozenset()
    tokens.front.before("GET", pattern, tokens.tokens.expire, nth=nth)
    ran = create(tokens.host, tmp_path / "x.tar", PLAIN, *LOGIN, stdin=PASSWORD + "\n")
    assert ran.code == 0, ran.err
    assert (tmp_path / "x.tar").read_bytes() == bundle.read_bytes()
    assert 401 in statuses(tokens, "GET", pattern)
    assert tokens.tokens.asked
    assert not tokens.tokens.wrong()


@pytest.mark.parametrize(
    ("method", "pattern", "nth"),
    [
        ("POST", "/uploads/", 2),
        ("PUT", "/uploads/", 1),
        ("PUT", "/uploads/", 6),
        ("PUT", "/manifests/", 2),
    ],
)
def test_tokens_that_end_in_the_middle_of_a_push_are_survived(
    bundle: Path, tokens: TokenRegistry, method: str, pattern: str, nth: int
) -> None:
    tokens.front.before(method, pattern, tokens.tokens.expire, nth=nth)
    ran = push(bundle, tokens.host, PLAIN, *LOGIN, stdin=PASSWORD + "\n")
    assert ran.code == 0, ran.err
    assert 401 in statuses(tokens, method, pattern)
    assert visible(tokens.registry.storage) == whole()


def test_tokens_that_end_again_and_again_are_survived(bundle: Path, tokens: TokenRegistry) -> None:
    for nth in (2, 4, 6):
        tokens.front.before("PUT", "/uploads/", tokens.tokens.expire, nth=nth)
    ran = push(bundle, tokens.host, PLAIN, *LOGIN, "-j", 1, stdin=PASSWORD + "\n")
    assert ran.code == 0, ran.err
    assert statuses(tokens, "PUT", "/uploads/").count(401) == 3
    assert visible(tokens.registry.storage) == whole()


def test_over_granted_tokens_under_the_other_name_are_taken(
    bundle: Path, tokens: TokenRegistry
) -> None:
    tokens.tokens.over_grant = True
    tokens.tokens.field = "access_token"
    ran = push(bundle, tokens.host, PLAIN, *LOGIN, stdin=PASSWORD + "\n")
    assert ran.code == 0, ran.err
    assert visible(tokens.registry.storage) == whole()


def test_a_refresh_token_of_the_configuration_is_posted(
    bundle: Path, tokens: TokenRegistry
) -> None:
    tokens.tokens.refresh_tokens["r-canary"] = USER
    configure({"auths": {tokens.host: {"identitytoken": "r-canary"}}})
    ran = push(bundle, tokens.host, PLAIN, "--log-level", "debug")
    assert ran.code == 0, ran.err
    assert {(a.method, a.user) for a in tokens.tokens.asked} == {("POST", USER)}
    assert "r-canary" not in ran.out + ran.err


def test_an_account_that_may_only_pull_is_refused_without_a_loop(
    bundle: Path, tokens: TokenRegistry
) -> None:
    tokens.tokens.rights[USER] = frozenset({"pull"})
    ran = push(bundle, tokens.host, PLAIN, *LOGIN, "-j", 1, stdin=PASSWORD + "\n")
    assert ran.code == 5
    assert statuses(tokens, "POST", "/uploads/") == [401, 401]
    assert visible(tokens.registry.storage) == {}


# --- a wrong password -------------------------------------------------------------------------


def test_a_wrong_password_is_tried_once_by_all_workers_together(
    bundle: Path, tokens: TokenRegistry, tmp_path: Path
) -> None:
    seed_behind(tokens.registry)
    tokens.tokens.anonymous = frozenset()
    wrong = (PLAIN, *LOGIN, "-j", 8)
    made = create(tokens.host, tmp_path / "x.tar", *wrong, stdin="no\n")
    assert len(tokens.tokens.wrong()) == 1
    pushed = push(bundle, tokens.host, *wrong, stdin="no\n")
    assert len(tokens.tokens.wrong()) == 2
    for ran in (made, pushed):
        assert ran.code == 5
        assert f"cannot log in at {tokens.host}" in ran.err
        assert "wrong user name, password or token" in ran.err
    assert push(bundle, tokens.host, *wrong, "--keep-going", stdin="no\n").code == 8
    assert len(tokens.tokens.wrong()) == 3


def test_a_wrong_password_that_is_taken_for_nobodys_ends_as_a_refusal(
    bundle: Path, tokens: TokenRegistry
) -> None:
    tokens.tokens.degrade = True
    ran = push(bundle, tokens.host, PLAIN, *LOGIN, stdin="no\n")
    assert ran.code == 5
    assert visible(tokens.registry.storage) == {}


def test_a_wrong_password_for_basic_is_tried_once_too(
    bundle: Path, locked_registry: Registry
) -> None:
    with Front(to(locked_registry)) as front:
        ran = push(bundle, front.host, PLAIN, *LOGIN, "-j", 8, stdin="no\n")
        assert ran.code == 5
        assert len([head for head in front.heads if head.get("Authorization")]) == 1
        right = push(bundle, front.host, PLAIN, *LOGIN, stdin=PASSWORD + "\n")
    assert right.code == 0, right.err
    assert visible(locked_registry.storage) == whole()


def to(registry: Registry) -> Route:
    return lambda head: (registry.port, head)


# --- a helper that is not there ---------------------------------------------------------------


def configure(document: dict[str, object]) -> None:
    """Write docker's config.json of this test."""
    folder = Path(os.environ["DOCKER_CONFIG"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(document))


def test_a_missing_credential_helper_is_told_with_the_refusal(
    bundle: Path, locked_registry: Registry
) -> None:
    configure({"credsStore": "gone"})
    ran = push(bundle, locked_registry.host, PLAIN)
    assert ran.code == 5
    assert ran.err.count("docker-credential-gone") == 1
    assert "not on PATH" in ran.err


def test_a_missing_credential_helper_stops_nobody_who_needs_no_login(
    tokens: TokenRegistry, tmp_path: Path
) -> None:
    seed_behind(tokens.registry)
    configure({"credHelpers": {tokens.host: "gone"}})
    ran = create(tokens.host, tmp_path / "x.tar", PLAIN, "--log-format", "json")
    assert ran.code == 0, ran.err
    told = [line for line in map(json.loads, ran.err.splitlines()) if line["level"] == "warning"]
    assert len(told) == 1
    assert "docker-credential-gone" in told[0]["message"]
    plan = run(
        *("bundle", "plan", "--images", tmp_path / "x.txt"),
        *("--rewrite", f"{NAMED}={tokens.host}", PLAIN),
    )
    assert plan.err.count("docker-credential-gone") == 1
