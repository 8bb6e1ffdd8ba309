"""A registry that is no more is told from one that is ill, and the advice does help."""

from __future__ import annotations

import re

import pytest

from bom.reference import Reference, parse_repository
from mirror import moved
from mirror.errors import (
    Misbehaved,
    NotFound,
    Refused,
    RegistryFault,
    Side,
    Unreachable,
    Unresolved,
    Untrusted,
    first_moved,
)
from mirror.rewrite import Rewrites

OLD, STAGING = "projects.registry.vmware.com", "projects-stg.registry.vmware.com"
NEW = "projects.packages.broadcom.com"
KINDS = [Unreachable, Untrusted, Refused, NotFound, Misbehaved]


@pytest.mark.parametrize("host", [OLD, STAGING, f"{OLD}:443"])
def test_the_flags_of_the_advice_lead_to_where_the_images_are(host: str) -> None:
    advice = moved.advice(host)
    (repository,) = re.findall(r"--source-repo ([^ ,]+)", advice)
    (rewrite,) = re.findall(r"--rewrite ([^ ,]+)", advice)
    assert parse_repository(repository) == (NEW, "tkg")
    image = Reference.parse(f"{host}/tkg/antrea:v1")
    assert str(Rewrites.parse([rewrite]).apply(image)) == f"{NEW}/tkg/antrea:v1"


@pytest.mark.parametrize(
    "host", [NEW, "registry.vmware.com", f"{OLD}.example.com", "harbor.example.com:443", ""]
)
def test_a_registry_that_has_not_moved_gets_no_such_advice(host: str) -> None:
    assert moved.advice(host) == ""


@pytest.mark.parametrize("kind", KINDS)
def test_however_it_fails_as_a_source_the_hint_is_where_it_went(kind: type[RegistryFault]) -> None:
    assert kind(Side.SOURCE, OLD, "it fails", hint="another one").hint == moved.advice(OLD)
    elsewhere = kind(Side.SOURCE, "storage.example.com", "it fails")
    assert NEW not in elsewhere.hint
    elsewhere.blame(OLD)
    assert elsewhere.hint == moved.advice(OLD)


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_is_told_to_fetch_elsewhere_who_wanted_to_push(kind: type[RegistryFault]) -> None:
    fault = kind(Side.DESTINATION, OLD, "it fails")
    assert NEW not in fault.hint
    assert first_moved([fault]) is None


@pytest.mark.parametrize("others", [[], [Unreachable], [NotFound, Unreachable, Refused]])
def test_of_many_images_one_at_a_registry_that_is_gone_is_seen_to_first(
    others: list[type[RegistryFault]],
) -> None:
    faults = [kind(Side.SOURCE, "harbor.example.com", "it fails") for kind in others]
    gone = NotFound(Side.SOURCE, STAGING, "it fails")
    told = Unresolved([(f"image {n}", fault) for n, fault in enumerate([*faults, gone])])
    assert told.hint == moved.advice(STAGING)
    assert told.whose == f"the source registry {STAGING}"
    if faults:
        assert NEW not in Unresolved([(f"image {n}", f) for n, f in enumerate(faults)]).hint


def test_what_a_lock_names_there_is_looked_for_in_the_mirror_of_its_project() -> None:
    assert moved.relocated(f"{OLD}/tkg/core/a", "harbor.lan/x/tkg") == "harbor.lan/x/tkg/core/a"
    assert moved.relocated(f"{STAGING}/tkg/a", "harbor.lan") == "harbor.lan/a"


@pytest.mark.parametrize("name", [f"{OLD}/other/a", f"{OLD}/tkgx/a", f"{OLD}/tkg", f"{NEW}/tkg/a"])
def test_what_it_names_elsewhere_is_not(name: str) -> None:
    assert moved.relocated(name, "harbor.lan/tkg") == ""


def test_a_name_that_is_gone_is_not_waited_for_and_one_that_answers_is() -> None:
    assert not Unreachable(Side.SOURCE, OLD, "no such host").temporary
    assert Unreachable(Side.SOURCE, OLD, "503", answered=True).temporary
    assert Unreachable(Side.DESTINATION, OLD, "no such host").temporary
    assert Unreachable(Side.SOURCE, NEW, "no such host").temporary
