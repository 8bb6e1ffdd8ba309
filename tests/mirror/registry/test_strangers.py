"""Registries that nobody but an image names: asked with care, seldom, and told nothing."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from mirror.errors import Misbehaved, Refused, Side
from mirror.registry.access import Access
from mirror.registry.client import Registry
from mirror.registry.credentials import CredentialStore
from mirror.registry.remote import Registries
from mirror.registry.tls import TlsOptions
from mirror.settings import MAX_STRANGERS
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.reach import (
    CANARY,
    IMAGE,
    REPOSITORY,
    TAG,
    World,
    fault_of,
    seeded,
)

ACCESS = Access(Side.SOURCE, plain_http=True)
PUBLIC, PRIVATE, LOOPBACK = "93.184.216.34", "10.1.2.3", "127.0.0.1"


def asked(source: Registries, name: str, fake: FakeRegistry) -> object:
    return source.manifest(f"{name}:{fake.host.rpartition(':')[2]}", REPOSITORY, TAG)


def hosts(fake: FakeRegistry, *names: str) -> set[str]:
    return {f"{name}:{fake.host.rpartition(':')[2]}" for name in names}


@pytest.mark.parametrize(
    ("home", "there"),
    [
        (PUBLIC, PRIVATE),
        (PUBLIC, LOOPBACK),
        (PRIVATE, LOOPBACK),
        (PUBLIC, "169.254.169.254"),
        (PRIVATE, "169.254.169.254"),
        (LOOPBACK, "169.254.169.254"),
        (LOOPBACK, "fe80::1"),
    ],
)
def test_no_image_sends_us_where_its_registry_could_not(
    home: str, there: str, fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.add(REPOSITORY, TAG, IMAGE)
    world = World(monkeypatch, home_example=[[home]], stranger_example=[[there]])
    with Registries(ACCESS, hosts(fake, "home.example")) as source:
        assert asked(source, "home.example", fake) == seeded()
        fact = fault_of(Misbehaved, asked, source, "stranger.example", fake).fact
    assert "only what was read names stranger.example" in fact
    assert world.connected == [home]


@pytest.mark.parametrize(
    ("home", "there"), [(PUBLIC, PUBLIC), (PRIVATE, PRIVATE), (PRIVATE, PUBLIC)]
)
def test_it_may_be_where_the_registries_of_this_run_are(
    home: str, there: str, fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.add(REPOSITORY, TAG, IMAGE)
    World(monkeypatch, home_example=[[home]], stranger_example=[[there]])
    with Registries(ACCESS, hosts(fake, "home.example")) as source:
        assert asked(source, "home.example", fake) == seeded()
        assert asked(source, "stranger.example", fake) == seeded()


def test_what_the_operator_names_may_be_anywhere(
    fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.add(REPOSITORY, TAG, IMAGE)
    World(monkeypatch, home_example=[[PUBLIC]], other_example=[[PRIVATE]])
    with Registries(ACCESS, hosts(fake, "home.example", "other.example")) as source:
        assert asked(source, "home.example", fake) == seeded()
        assert asked(source, "other.example", fake) == seeded()


def test_where_a_destination_is_says_nothing(
    fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy into a private network: what is read from outside must not lead into it."""
    fake.add(REPOSITORY, TAG, IMAGE)
    World(monkeypatch, home_example=[[PUBLIC]], in_example=[[PRIVATE]], far_example=[[PRIVATE]])
    named = hosts(fake, "home.example", "in.example")
    (inside,) = hosts(fake, "in.example")
    there = replace(ACCESS, side=Side.DESTINATION)
    with Registry(inside, there) as target, Registries(ACCESS, named) as source:
        assert target.manifest(REPOSITORY, TAG) == seeded()
        assert asked(source, "home.example", fake) == seeded()
        fault_of(Misbehaved, asked, source, "far.example", fake)


def test_no_more_of_them_than_images_honestly_name(fake: FakeRegistry) -> None:
    """Each has connections and a TLS context of its own: 2,000 of them took 1.7 GB."""
    with Registries(ACCESS, {fake.host}) as source:
        known = [source.at(f"127.0.0.1:{number}") for number in range(1, MAX_STRANGERS + 1)]
        fault = fault_of(Misbehaved, source.at, "registry.example.com")
        assert "--rewrite registry.example.com=" in fault.hint
        # Those that are known stay so, and whom the operator named is no stranger.
        assert source.at("127.0.0.1:1") is known[0]
        assert source.at(fake.host)


@pytest.fixture
def logged_in(fake: FakeRegistry, tmp_path: Path) -> CredentialStore:
    """docker's own file has a password for the fake, which asks for one."""
    fake.add(REPOSITORY, TAG, IMAGE)
    fake.require_basic("ann", CANARY)
    auth = base64.b64encode(f"ann:{CANARY}".encode()).decode()
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auths": {fake.host: {"auth": auth}}}))
    return CredentialStore(config=config)


def test_in_the_clear_a_password_is_for_whom_the_operator_named(
    fake: FakeRegistry, logged_in: CredentialStore
) -> None:
    access = replace(ACCESS, credentials=logged_in)
    with Registries(access, {fake.host}) as source:
        assert source.manifest(fake.host, REPOSITORY, TAG) == seeded()
    fake.requests.clear()
    with FakeRegistry() as home, Registries(access, {home.host}) as source:
        home.add(REPOSITORY, TAG, IMAGE)
        assert source.manifest(home.host, REPOSITORY, TAG) == seeded()
        fault_of(Refused, source.manifest, fake.host, REPOSITORY, TAG)
    assert fake.requests
    assert not fake.leaked()


@pytest.mark.parametrize("insecure", [False, True])
def test_behind_verified_tls_its_own_password_is_used(
    insecure: bool, logged_in: CredentialStore, fake: FakeRegistry
) -> None:
    """As anybody's who pulls it: a lock may name images for which one has to log in."""
    own, key = Path("own.pem"), Path("own.key")
    tls = TlsOptions(insecure=insecure, cert_file=own, key_file=key)
    access = Access(Side.SOURCE, tls=tls, credentials=logged_in).for_stranger()
    assert (access.credentials.lookup(fake.host, REPOSITORY) is None) is insecure
    assert access.tls == TlsOptions(insecure=insecure)
