"""Referrers at a destination: listed by whoever keeps the list, and nobody's entry lost."""

from __future__ import annotations

import json

import pytest

from mirror.errors import Misbehaved, Refused, Side, Unreachable
from mirror.events import silent
from mirror.oci.digest import Digest
from mirror.oci.graph import ImageGraph
from mirror.oci.manifest import Manifest
from mirror.transfer.crew import Crew
from mirror.transfer.listing import Listing
from mirror.transfer.publish import Publication
from mirror.transfer.retry import Retry
from scripts.world.images import Image, ImageSpec, build
from tests.fakes.companions import list_of, referrer
from tests.mirror.bundle.small import graph_of
from tests.mirror.transfer.test_publish import Shelves, publisher

APP = build(ImageSpec("app"))
SUBJECT = Digest.parse(APP.manifest.digest)
TAG = f"sha256-{SUBJECT.hex}"
SBOM, NOTE = referrer(APP), referrer(APP, "note")


def carried(image: Image) -> Publication:
    return Publication(f"src/app@{image.manifest.digest}", "air/app", None, graph_of(image))


def parsed(image: Image) -> Manifest:
    return Manifest.parse(image.manifest.read())


def listed(library: Shelves) -> set[str]:
    """Who the index under the tag names."""
    document = json.loads(library.held["air/app", TAG].raw)
    return {entry["digest"] for entry in document["manifests"]}


def digests(*images: Image) -> set[str]:
    return {image.manifest.digest for image in images}


def listing(library: Shelves, *, retries: int = 0) -> Listing:
    return Listing(library, Retry(retries, Crew(1), silent), "host")


@pytest.fixture
def library() -> Shelves:
    return Shelves()


# --- where the list is ------------------------------------------------------------------------


def test_a_registry_without_a_list_is_given_one(library: Shelves) -> None:
    publisher(library).publish([carried(SBOM), carried(NOTE)])
    assert listed(library) == digests(SBOM, NOTE)
    assert ("air/app", SBOM.manifest.digest) in library.put


def test_a_registry_with_a_list_of_its_own_is_given_the_referrer_alone(library: Shelves) -> None:
    library.lists = True
    publisher(library).publish([carried(SBOM)])
    assert library.put == [("air/app", SBOM.manifest.digest)]
    assert library.listings == 0


def test_what_refers_to_nothing_needs_no_list(library: Shelves) -> None:
    publisher(library).publish([carried(APP)])
    assert publisher(library).survey([carried(APP)])[0].result == SUBJECT
    assert library.put == [("air/app", str(SUBJECT))]
    assert library.listings == 0


@pytest.mark.parametrize("lists", [False, True])
def test_a_referrer_that_is_listed_is_there(library: Shelves, lists: bool) -> None:
    library.lists = lists
    publisher(library).publish([carried(SBOM)])
    (found,) = publisher(library).survey([carried(SBOM)])
    assert str(found.result) == SBOM.manifest.digest


def test_whether_it_has_a_list_of_its_own_is_asked_once(library: Shelves) -> None:
    images = [carried(referrer(APP, f"{number}")) for number in range(5)]
    publisher(library).publish(images)
    assert library.listings <= 2, "as many as there are workers"


# --- what can happen between ------------------------------------------------------------------


@pytest.mark.parametrize("lists", [False, True])
def test_a_referrer_that_is_there_and_not_listed_counts_as_missing(
    library: Shelves, lists: bool
) -> None:
    """A run was killed between the two; a registry forgot."""
    library.lists = lists
    library.hidden = lists
    library.held["air/app", SBOM.manifest.digest] = parsed(SBOM)
    assert publisher(library).survey([carried(SBOM)])[0].result is None
    publisher(library).publish([carried(SBOM)])
    library.hidden = False
    assert publisher(library).survey([carried(SBOM)])[0].result is not None
    if not lists:
        assert listed(library) == digests(SBOM)


def test_an_answer_that_was_lost_puts_no_list_where_there_is_one(library: Shelves) -> None:
    class Mute(Shelves):
        def put_manifest(
            self, repository: str, name: str | Digest, manifest: Manifest
        ) -> Digest | None:
            super().put_manifest(repository, name, manifest)
            if len(self.put) == 1:
                raise Unreachable(Side.DESTINATION, "host", "cut", retry_after=0.0)
            return None

    mute = Mute()
    mute.lists = True
    publisher(mute, retries=1).publish([carried(SBOM)])
    assert mute.put == [("air/app", SBOM.manifest.digest)]


def test_what_others_listed_stays(library: Shelves) -> None:
    theirs = referrer(APP, "theirs")
    publisher(library).publish([carried(theirs)])
    publisher(library).publish([carried(SBOM)])
    assert listed(library) == digests(SBOM, theirs)


def test_somebody_who_writes_the_list_at_the_same_time(library: Shelves) -> None:
    """Their put comes right after ours, from what they had read before it."""
    theirs = referrer(APP, "theirs")

    class Busy(Shelves):
        def put_manifest(
            self, repository: str, name: str | Digest, manifest: Manifest
        ) -> Digest | None:
            noted = super().put_manifest(repository, name, manifest)
            if [put for _repository, put in self.put].count(TAG) == 1:
                self.held[repository, TAG] = parsed(list_of(theirs))
            return noted

    busy = Busy()
    busy.held["air/app", theirs.manifest.digest] = parsed(theirs)
    publisher(busy).publish([carried(SBOM)])
    assert listed(busy) == digests(SBOM, theirs)


def test_a_list_that_does_not_keep_what_is_put(library: Shelves) -> None:
    class Careless(Shelves):
        def put_manifest(
            self, repository: str, name: str | Digest, manifest: Manifest
        ) -> Digest | None:
            return super().put_manifest(repository, name, manifest) if name != TAG else None

    with pytest.raises(Misbehaved, match="does not keep") as caught:
        publisher(Careless()).publish([carried(SBOM)])
    assert TAG in caught.value.fact


@pytest.mark.parametrize("there", [graph_of(APP), graph_of(build(ImageSpec("x", docker=True)))])
def test_what_has_the_tag_and_is_no_list_is_named_and_left(
    library: Shelves, there: ImageGraph
) -> None:
    library.held["air/app", TAG] = there.root
    with pytest.raises(Misbehaved, match="no index of referrers") as caught:
        publisher(library).publish([carried(SBOM)])
    assert f"/air/app:{TAG}" in caught.value.fact
    assert library.held["air/app", TAG] == there.root


def test_a_list_that_is_full(library: Shelves) -> None:
    many = list_of(*(referrer(APP, f"{number}") for number in range(500)))
    library.held["air/app", TAG] = parsed(many)
    with pytest.raises(Misbehaved, match="more than 500"):
        publisher(library).publish([carried(SBOM)])


# --- tags that cannot change ------------------------------------------------------------------


class Immutable(Shelves):
    """Harbor with a rule over every tag: 412 for one that is there, whatever is put."""

    def put_manifest(
        self, repository: str, name: str | Digest, manifest: Manifest
    ) -> Digest | None:
        if not isinstance(name, Digest) and (repository, name) in self.held:
            raise Refused(Side.DESTINATION, "host", "cannot put", status=412)
        return super().put_manifest(repository, name, manifest)


def test_a_list_that_cannot_change_is_told_plainly() -> None:
    library = Immutable()
    library.held["air/app", TAG] = parsed(list_of(NOTE))
    with pytest.raises(Refused) as caught:
        publisher(library).publish([carried(SBOM)])
    assert "sha256-*" in caught.value.hint
    assert listed(library) == digests(NOTE)


def test_a_list_that_cannot_change_and_has_it_already() -> None:
    """The answer to the first attempt was lost."""

    class Mute(Immutable):
        def put_manifest(
            self, repository: str, name: str | Digest, manifest: Manifest
        ) -> Digest | None:
            noted = super().put_manifest(repository, name, manifest)
            if name == TAG:
                raise Unreachable(Side.DESTINATION, "host", "cut", retry_after=0.0)
            return noted

    library = Mute()
    library.held["air/app", SBOM.manifest.digest] = parsed(SBOM)
    listing(library, retries=1).add("air/app", SUBJECT, parsed(SBOM))
    assert listed(library) == digests(SBOM)


# --- order ------------------------------------------------------------------------------------


def test_a_list_that_is_carried_itself_is_not_in_the_way(library: Shelves) -> None:
    """Somebody lists every tag of a repository: the list is one of them."""
    index = Publication("src/app:list", "air/app", TAG, graph_of(list_of(NOTE, SBOM)))
    publisher(library).publish([carried(SBOM), carried(NOTE), index])
    assert library.held["air/app", TAG].digest == index.digest
