"""A release from its version number, with everything that a registry can have wrong about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import pytest

from bom.errors import BomFault, ReferenceFault
from mirror import release
from mirror.errors import (
    Fault,
    InputFault,
    Misbehaved,
    NotFound,
    Side,
    Unreachable,
    UsageFault,
)
from mirror.events import Event, ItemEnded, PhaseStarted, Waiting, silent
from mirror.registry.access import Access
from mirror.registry.artifact import Artifacts
from mirror.registry.remote import Registries
from mirror.release import Release, Request, read_release
from mirror.rewrite import Rewrites
from mirror.settings import MAX_TKRS, Settings
from tests.fakes.behaviours import answer, flip_byte, hang_up
from tests.fakes.release import (
    DEFAULT_TKR,
    OTHER_TKR,
    file_image,
    layers_image,
    offer,
    put,
    tagged,
    tkg_bom,
    tkg_compatibility,
    tkr_bom,
    tkr_compatibility,
)
from tests.fakes.simple import FakeRegistry

Kind = TypeVar("Kind", bound=Fault)
SETTINGS = Settings(timeout=5, retries=0, first_pause=0)
TKR_LIST = "tkg/v18/tkr-compatibility"


@pytest.fixture
def offered(fake: FakeRegistry) -> FakeRegistry:
    offer(fake)
    return fake


def read(
    fake: FakeRegistry,
    version: str = "v1.6.0",
    *,
    rewrites: Rewrites | None = None,
    settings: Settings = SETTINGS,
    told: list[Event] | None = None,
    **more: Any,
) -> Release:
    request = Request(version, **{"repository": f"{fake.host}/tkg", **more})
    with Registries(Access(Side.SOURCE, settings, plain_http=True)) as registries:
        listener = silent if told is None else told.append
        artifacts = Artifacts(registries)
        return read_release(request, artifacts, rewrites or Rewrites(), settings, listener)


def refused(kind: type[Kind], fake: FakeRegistry, version: str = "v1.6.0", **more: Any) -> Kind:
    with pytest.raises(kind) as caught:
        read(fake, version, **more)
    assert type(caught.value) is kind
    return caught.value


def names(found: Release) -> list[str]:
    return [document.name for document in found.documents]


def paths(found: Release) -> set[str]:
    return {f"{image.path}:{image.reference.tag}" for image in found.images.images}


def lists(fake: FakeRegistry, *tkrs: str, tkg: str = "v1.6.0") -> None:
    """Let tkr-compatibility list these for TKG."""
    put(fake, TKR_LIST, "v19", "x.yaml", tkr_compatibility({tkg: tkrs}))


def test_a_version_number_becomes_four_files_and_their_images(offered: FakeRegistry) -> None:
    found = read(offered)
    assert names(found) == [
        "tkg-bom-v1.6.0.yaml",
        "tkg-compatibility-v15.yaml",
        f"tkr-bom-{DEFAULT_TKR}.yaml",
        "tkr-compatibility-v19.yaml",
    ]
    assert found.documents[0].content == tkg_bom().encode()
    assert not found.failed
    assert {path for path in paths(found) if "package" not in path} >= {
        "tkg-compatibility:v15",
        "tkg-bom:v1.6.0",
        "v18/tkr-compatibility:v19",
        f"tkr-bom:{tagged(DEFAULT_TKR)}",
        "harbour/buoy:v1.0.0_vmware.1",
        f"etcd:v3.5.4_{tagged(DEFAULT_TKR)}",
    }


def test_everything_is_fetched_where_it_was_read_not_where_the_bom_says(
    offered: FakeRegistry,
) -> None:
    found = read(offered)
    assert {image.reference.host for image in found.images.images} == {offered.host}
    assert found.images.repositories == (f"{offered.host}/tkg",)


def test_the_files_own_images_are_required_pinned_and_can_be_chosen(
    offered: FakeRegistry,
) -> None:
    found = read(offered)
    images = {image.reference: image for image in found.images.images}
    for document in found.documents:
        image = images[document.reference]
        assert image.required
        assert image.components
        assert image.kind == ("bom" if "-bom" in document.name else "image")
        own = offered.store.repositories[image.reference.repository]
        assert own.tags[image.reference.tag or ""] == str(found.pins[document.reference])
    labels = {label for image in images.values() for label in image.components}
    assert {"tkg-compatibility/v15", "tkr-compatibility/v19", f"tkr-bom/{DEFAULT_TKR}"} <= labels
    assert {(fact.kind, fact.release) for fact in found.images.boms} == {
        ("tkg-bom", "v1.6.0"),
        ("tkr-bom", DEFAULT_TKR),
    }


@pytest.mark.parametrize("version", ["v1.6.0", "1.6.0"])
def test_the_leading_v_may_be_left_out(offered: FakeRegistry, version: str) -> None:
    assert "tkg-bom-v1.6.0.yaml" in names(read(offered, version))


@pytest.mark.parametrize("tkr", [OTHER_TKR, tagged(OTHER_TKR), OTHER_TKR[1:]])
def test_a_tkr_may_be_spelled_as_a_tag_or_without_the_v(offered: FakeRegistry, tkr: str) -> None:
    found = read(offered, tkrs=(tkr, OTHER_TKR))
    assert names(found)[2] == f"tkr-bom-{OTHER_TKR}.yaml"
    assert len(found.documents) == 4
    assert not any("default" in notice for notice in found.images.notices)


def test_the_default_tkr_is_taken_with_a_word_about_it(offered: FakeRegistry) -> None:
    assert any(DEFAULT_TKR in notice for notice in read(offered).images.notices)


def test_all_tkrs_are_all_that_are_listed_for_this_release(offered: FakeRegistry) -> None:
    put(offered, "tkg/tkr-bom", "v1.99.0_x", "x.yaml", tkr_bom("v1.99.0+x"))
    found = read(offered, all_tkrs=True)
    assert [name for name in names(found) if name.startswith("tkr-bom")] == [
        f"tkr-bom-{OTHER_TKR}.yaml",
        f"tkr-bom-{DEFAULT_TKR}.yaml",
    ]


def test_only_the_packages_of_the_chosen_infrastructure_come_along(
    offered: FakeRegistry,
) -> None:
    everything = {path for path in paths(read(offered)) if "aws" in path or "vsphere" in path}
    assert {path.split(":")[0] for path in everything} == {
        "tkr-aws",
        "tkr-vsphere-nonparavirt",
        "tkr-repository-aws",
        "tkr-repository-vsphere-nonparavirt",
    }
    some = paths(read(offered, infrastructures=("aws",)))
    assert {path for path in everything if "aws" in path} <= some
    assert not any("vsphere" in path for path in some)
    assert "oracle" in str(refused(InputFault, offered, infrastructures=("oracle",)))


# --- which tag ----------------------------------------------------------------------------


def tags_of(fake: FakeRegistry, tags: Iterable[str], good: str) -> None:
    """Let tkg-compatibility have these tags, of which ``good`` alone is usable."""
    broken = layers_image(b"not the one")
    for tag in tags:
        fake.add("tkg/tkg-compatibility", tag, broken)
    put(fake, "tkg/tkg-compatibility", good, "x.yaml", tkg_compatibility(version=good))


@pytest.mark.parametrize(
    "tags",
    [
        [f"v{n}" for n in (*range(1, 9), 10, 11, 13, 14)],
        ["v9", "v15-rc.1", "v16_x", "16", "vv17", "v", "v-1", "V18", "latest", "v19.0"],
        ["v007", "v099", "v٩٩", "v1e3", "sha256-" + "ab" * 32 + ".imgpkg"],
        # Python reads no number of so many digits, and TKG none of more than 64 bits.
        ["v" + "9" * 5000, "v" + "9" * 20],
        ["v0"],
    ],
)
def test_the_highest_number_wins_over_gaps_foreign_tags_and_the_order_of_text(
    offered: FakeRegistry, tags: list[str]
) -> None:
    tags_of(offered, tags, "v15")
    assert "tkg-compatibility-v15.yaml" in names(read(offered))


def test_the_highest_number_may_be_on_a_later_page(offered: FakeRegistry) -> None:
    tags_of(offered, [f"v{n}" for n in range(20, 40)], "v120")
    offered.store.page_size = 3
    assert "tkg-compatibility-v120.yaml" in names(read(offered))
    assert offered.count("GET", "tkg-compatibility/tags/list") > 5


@pytest.mark.parametrize("tags", [["latest", "v1.6.0"], []])
def test_no_numbered_tag_at_all_is_said(offered: FakeRegistry, tags: list[str]) -> None:
    repository = offered.store.repositories["tkg/tkg-compatibility"]
    repository.tags = dict.fromkeys(tags, "x")
    fault = refused(NotFound, offered)
    assert f"{offered.host}/tkg/tkg-compatibility" in fault.what
    assert (tags[0] if tags else "no tags") in fault.fact


def test_a_compatibility_file_elsewhere_is_that_of_a_fips_release(offered: FakeRegistry) -> None:
    fips, tkr = "v1.6.0-fips.1", "v1.23.8+vmware.2-fips.1-tkg.1"
    listed = tkg_compatibility(("tkg-bom", fips), version="v3")
    put(offered, "tkg/fips/tkg-compatibility", "v3", "x.yaml", listed)
    put(offered, "tkg/tkg-bom", fips, "x.yaml", tkg_bom(fips, tkr))
    lists(offered, tkr, tkg=fips)
    put(offered, "tkg/tkr-bom", tagged(tkr), "x.yaml", tkr_bom(tkr))
    found = read(offered, fips, compatibility_path="fips/tkg-compatibility")
    assert "fips/tkg-compatibility:v3" in paths(found)
    assert "tkg-compatibility-v3.yaml" in names(found)
    assert refused(InputFault, offered, fips).hint.endswith("fips/tkg-compatibility")


# --- what is listed -----------------------------------------------------------------------


def test_a_version_that_is_not_listed_is_an_error_with_those_that_are(
    offered: FakeRegistry,
) -> None:
    listed = tkg_compatibility(*[("tkg-bom", f"v1.{n}.0") for n in (10, 9, 2)])
    put(offered, "tkg/tkg-compatibility", "v15", "x.yaml", listed)
    fault = refused(InputFault, offered)
    assert fault.fact == "it lists v1.2.0, v1.9.0, v1.10.0"
    assert "v15" in fault.what


def test_a_version_does_not_match_by_its_beginning(offered: FakeRegistry) -> None:
    for near in ("v1.6", "v1.6.0-fips.1", "v1.6.00", "v11.6.0", "1.6.0 "):
        with pytest.raises(InputFault):
            read(offered, near)


def test_of_many_versions_the_highest_are_shown(offered: FakeRegistry) -> None:
    listed = tkg_compatibility(*[("tkg-bom", f"v2.{n}.0") for n in range(100)])
    put(offered, "tkg/tkg-compatibility", "v15", "x.yaml", listed)
    fact = refused(InputFault, offered).fact
    assert "v2.99.0" in fact
    assert "60 more" in fact
    assert "v2.9.0" not in fact


def test_a_bom_that_is_listed_at_two_places_is_taken_from_the_first_with_a_word(
    offered: FakeRegistry,
) -> None:
    listed = tkg_compatibility(("v18/tkg-bom", "v1.6.0"), ("tkg-bom", "v1.6.0"))
    put(offered, "tkg/tkg-compatibility", "v15", "x.yaml", listed)
    put(offered, "tkg/v18/tkg-bom", "v1.6.0", "x.yaml", tkg_bom())
    found = read(offered)
    assert "v18/tkg-bom:v1.6.0" in paths(found)
    assert any("v18/tkg-bom" in notice for notice in found.images.notices)


def test_a_release_without_tkrs_is_an_error_with_those_that_have_some(
    offered: FakeRegistry,
) -> None:
    lists(offered, DEFAULT_TKR, tkg="v1.6.1")
    fault = refused(InputFault, offered)
    assert (fault.what, fault.fact) == (
        "tkr-compatibility/v19 does not list TKG v1.6.0",
        "it lists v1.6.1",
    )


@pytest.mark.parametrize("tkr", ["v1.99.0+vmware.1-tkg.1", "latest"])
def test_a_tkr_that_is_not_listed_fails_alone_with_those_that_are(
    offered: FakeRegistry, tkr: str
) -> None:
    found = read(offered, tkrs=(tkr, OTHER_TKR))
    assert f"tkr-bom-{OTHER_TKR}.yaml" in names(found)
    [(image, fault)] = found.failed
    assert str(image.reference) == f"{offered.host}/tkg/tkr-bom:{tagged(tkr)}"
    assert OTHER_TKR in fault.fact
    assert not offered.count("GET", f"tkr-bom/manifests/{tagged(tkr)}")


def test_a_default_that_is_not_listed_fails_too(offered: FakeRegistry) -> None:
    lists(offered, OTHER_TKR)
    [(image, _fault)] = read(offered).failed
    assert image.reference.tag == tagged(DEFAULT_TKR)


def test_tkrs_that_are_absent_damaged_or_wrong_do_not_stop_the_others(
    offered: FakeRegistry,
) -> None:
    bad = {
        "v1.20.1+absent": (None, NotFound),
        "v1.20.2+yaml": (file_image({"x": b"a: [\n"}), BomFault),
        "v1.20.3+kind": (file_image({"x": tkg_bom().encode()}), BomFault),
        "v1.20.4+release": (file_image({"x": tkr_bom(DEFAULT_TKR).encode()}), BomFault),
        "v1.20.5+two": (file_image({"x": b"a", "y": b"b"}), Misbehaved),
        "v1.20.6+archive": (layers_image(b"no tar"), Misbehaved),
    }
    for tkr, (image, _kind) in bad.items():
        if image:
            offered.add("tkg/tkr-bom", tagged(tkr), image)
    lists(offered, *bad, DEFAULT_TKR)
    found = read(offered, all_tkrs=True)
    assert [type(fault) for _image, fault in found.failed] == [kind for _, kind in bad.values()]
    assert [image.reference.tag for image, _fault in found.failed] == list(map(tagged, bad))
    assert f"tkr-bom-{DEFAULT_TKR}.yaml" in names(found)
    # What could not be read has no image in the set, and holds on to nothing.
    assert not any("v1.20." in path for path in paths(found))
    assert all(fault.__traceback__ is None for _image, fault in found.failed)


@pytest.mark.parametrize("release", ["v1.5.4", "v1.6.0-fips.1", "v1.6.1"])
def test_a_bom_of_another_release_under_the_tag_is_refused(
    offered: FakeRegistry, release: str
) -> None:
    put(offered, "tkg/tkg-bom", "v1.6.0", "x.yaml", tkg_bom(release))
    fault = refused(BomFault, offered)
    assert (fault.expected, fault.found) == ("v1.6.0", release)
    assert offered.host in fault.whose
    assert "correct it" not in fault.hint


def test_another_kind_of_file_under_each_tag_is_refused(offered: FakeRegistry) -> None:
    put(offered, TKR_LIST, "v19", "x.yaml", tkg_compatibility())
    assert "tkr-compatibility" in refused(BomFault, offered).expected
    put(offered, "tkg/tkg-bom", "v1.6.0", "x.yaml", tkr_bom())
    assert "TKG BOM" in refused(BomFault, offered).expected
    put(offered, "tkg/tkg-compatibility", "v15", "x.yaml", tkg_bom())
    assert "tkg-compatibility" in refused(BomFault, offered).expected


def test_a_compatibility_file_that_calls_itself_otherwise_is_worth_a_word(
    offered: FakeRegistry,
) -> None:
    put(offered, "tkg/tkg-compatibility", "v16", "x.yaml", tkg_compatibility(version="v2"))
    assert any("calls itself v2" in notice for notice in read(offered).images.notices)


def test_a_path_that_no_reference_can_have_is_one_fault_of_ours(offered: FakeRegistry) -> None:
    long = "a/" * 120 + "a"
    put(offered, "tkg/tkg-compatibility", "v15", "x.yaml", tkg_compatibility((long, "v1.6.0")))
    refused(ReferenceFault, offered)


def test_too_many_tkrs_are_not_read(offered: FakeRegistry) -> None:
    lists(offered, *(f"v1.23.{n}+x" for n in range(MAX_TKRS + 1)))
    assert str(MAX_TKRS) in refused(InputFault, offered, all_tkrs=True).fact
    assert not offered.count("GET", "tkr-bom")


def test_no_more_than_the_limit_is_held_in_all(
    offered: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = sum(len(document.content) for document in read(offered).documents)
    monkeypatch.setattr(release, "MAX_DOCUMENTS", everything)
    assert not read(offered).failed
    monkeypatch.setattr(release, "MAX_DOCUMENTS", everything - 1)
    [(_image, fault)] = read(offered).failed
    assert isinstance(fault, Misbehaved)
    assert "in all" in fault.fact


def test_no_more_images_than_any_release_has_are_listed(
    offered: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two in the TKG BOM, one in the TKr BOM."""
    monkeypatch.setattr(release, "MAX_RELEASE_IMAGES", 3)
    assert not read(offered).failed
    monkeypatch.setattr(release, "MAX_RELEASE_IMAGES", 2)
    [(_image, fault)] = read(offered).failed
    assert isinstance(fault, Misbehaved)
    assert "2 images" in fault.fact


@pytest.mark.parametrize(
    "wrong",
    [
        {"tkg_version": ""},
        {"tkg_version": "v1.6.0/../x"},
        {"tkg_version": "sha256:" + "ab" * 32},
        {"tkg_version": "v1.6.0", "tkrs": ("../x",)},
        {"tkg_version": "v1.6.0", "tkrs": ("v1\n",)},
    ],
)
def test_what_can_be_no_version_is_refused_before_anybody_is_asked(wrong: Any) -> None:
    with pytest.raises(UsageFault):
        Request(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"compatibility_path": "../x"},
        {"compatibility_path": "a:b"},
        {"repository": "tkg"},
        {"repository": "http://a.example/b"},
        {"repository": "ann:hunter2@a.example/b"},
    ],
)
def test_what_can_be_no_place_too(wrong: Any) -> None:
    with pytest.raises(ReferenceFault) as caught:
        Request("v1.6.0", **wrong)
    assert "hunter2" not in str(caught.value)


# --- where, how often, and what is told ---------------------------------------------------


def test_rewrites_say_where_it_is_fetched_and_not_what_it_is_called(
    offered: FakeRegistry,
) -> None:
    old = "projects.registry.vmware.com/tkg"
    rewrites = Rewrites.parse([f"{old}={offered.host}/tkg"])
    found = read(offered, repository=old, rewrites=rewrites)
    assert found.images.repositories == (old,)
    assert {reference.host for reference in found.pins} == {"projects.registry.vmware.com"}
    assert rewrites.hosts_below(old) == {offered.host}


def test_a_part_of_a_release_may_be_on_another_registry(offered: FakeRegistry) -> None:
    with FakeRegistry() as other:
        tkrs = offered.store.repositories.pop("tkg/tkr-bom")
        other.store.repositories["x/tkr-bom"] = tkrs
        own = f"{offered.host}/tkg"
        rewrites = Rewrites.parse([f"{own}/tkr-bom={other.host}/x/tkr-bom"])
        assert rewrites.hosts_below(own) == {offered.host, other.host}
        assert not read(offered, rewrites=rewrites).failed
        assert other.requests


def test_a_fault_that_may_pass_is_tried_again_as_often_as_was_asked(
    offered: FakeRegistry,
) -> None:
    for pattern in ("tags/list", "tkg-bom/manifests", "/blobs/"):
        offered.on("GET", pattern, hang_up(), nth=1)
    told = list[Event]()
    assert not read(offered, settings=SETTINGS._replace(retries=1), told=told).failed
    assert sum(isinstance(event, Waiting) for event in told) == 3


def test_damage_is_not_tried_again(offered: FakeRegistry) -> None:
    offered.on("GET", "tkr-bom/blobs/", flip_byte(20))
    found = read(offered, settings=SETTINGS._replace(retries=3))
    assert [fault.name for _image, fault in found.failed] == ["integrity"]
    assert offered.count("GET", "tkr-bom/blobs/") == 1


def test_a_host_that_gives_no_answer_is_not_asked_for_each_tkr(offered: FakeRegistry) -> None:
    lists(offered, *(f"v1.20.{n}+x" for n in range(30)))
    offered.on("GET", "tkr-bom/", hang_up())
    found = read(offered, all_tkrs=True)
    assert len(found.failed) == 30
    assert all(isinstance(fault, Unreachable) for _image, fault in found.failed)
    assert offered.count("GET", "tkr-bom/") <= 4


def test_one_that_answers_badly_is(offered: FakeRegistry) -> None:
    lists(offered, *(f"v1.20.{n}+x" for n in range(6)))
    offered.on("GET", "tkr-bom/", answer(500))
    read(offered, all_tkrs=True)
    assert offered.count("GET", "tkr-bom/") == 6


def test_the_phases_and_every_file_are_told(offered: FakeRegistry) -> None:
    told = list[Event]()
    offered.on("GET", f"tkr-bom/manifests/{tagged(OTHER_TKR)}", answer(404))
    read(offered, all_tkrs=True, told=told)
    phases = [(event.name, event.items) for event in told if isinstance(event, PhaseStarted)]
    assert phases == [("read release", 3), ("read TKr BOMs", 2)]
    ended = sorted(event.status for event in told if isinstance(event, ItemEnded))
    assert ended == ["done"] * 4 + ["failed"]


def test_the_digests_are_those_of_the_images(offered: FakeRegistry) -> None:
    pinned = {reference.repository: str(each) for reference, each in read(offered).pins.items()}
    held = offered.store.repositories["tkg/tkg-bom"]
    assert pinned["tkg/tkg-bom"] == held.tags["v1.6.0"]
