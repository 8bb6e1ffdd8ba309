"""Manifests and tags: children first, the tag last, read back, and nobody's tag replaced."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mirror.errors import IntegrityFault, Misbehaved, NotFound, Refused, Side, TagTaken, Unreachable
from mirror.events import Event, ItemEnded, silent
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.manifest import Manifest
from mirror.transfer.crew import Crew
from mirror.transfer.publish import Publication, Publisher, waves
from mirror.transfer.retry import Retry
from scripts.world.images import ImageSpec, build
from tests.fakes.companions import referrer
from tests.fakes.windows import base_of, windows
from tests.mirror.bundle.small import graph_of


class Shelves:
    """A library in memory that refuses a parent before its children, as registries do.

    One that ``lists`` has the referrers API, and names none where it has lost sight of them
    (``hidden``); ``listings`` counts how often it was asked for that.
    """

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], Manifest] = {}
        self.put: list[tuple[str, str]] = []
        self.faults: list[BaseException] = []
        self.swapped: Manifest | None = None
        self.blobs: set[Digest] = set()
        self.asked: list[Descriptor] = []
        self.lists = self.hidden = False
        self.listings = 0

    def manifest(self, repository: str, name: str | Digest) -> Manifest:
        if self.swapped and self.put:
            return self.swapped
        if (repository, str(name)) not in self.held:
            raise NotFound(Side.DESTINATION, "host", f"no {repository}:{name}")
        return self.held[repository, str(name)]

    def tagged(self, repository: str, tag: str) -> Digest | None:
        found = self.held.get((repository, tag))
        return found.digest if found else None

    def put_manifest(
        self, repository: str, name: str | Digest, manifest: Manifest
    ) -> Digest | None:
        if self.faults:
            raise self.faults.pop(0)
        for child in manifest.children:
            assert (repository, str(child.digest)) in self.held
        self.put.append((repository, str(name)))
        self.held[repository, str(name)] = self.held[repository, str(manifest.digest)] = manifest
        return manifest.subject.digest if manifest.subject and self.lists else None

    def referrers(self, repository: str, subject: Digest) -> list[Descriptor] | None:
        self.listings += 1
        found = (m for (r, _), m in self.held.items() if r == repository and m.subject)
        mine = {m.descriptor for m in found if m.subject and m.subject.digest == subject}
        return [] if self.hidden else sorted(mine, key=str) if self.lists else None

    def has_blob(self, repository: str, descriptor: Descriptor) -> bool:
        self.asked.append(descriptor)
        return descriptor.digest in self.blobs


INDEX = graph_of(build(ImageSpec("lamp", platforms=("amd64", "arm64"))))
IMAGE = graph_of(build(ImageSpec("pause", docker=True)))
LAMP = Publication("src/lamp:v1", "air/lamp", "v1", INDEX)
PAUSE = Publication("src/pause:3.9", "air/pause", "3.9", IMAGE)


def publisher(
    library: Shelves, *, retries: int = 0, listener: list[Event] | None = None
) -> Publisher:
    crew = Crew(2)
    listen = silent if listener is None else listener.append
    return Publisher(library, crew, Retry(retries, crew, silent), listen)


def test_children_by_digest_first_and_the_tag_last() -> None:
    library = Shelves()
    publisher(library).publish([LAMP])
    children = [str(manifest.digest) for manifest in INDEX.manifests[:-1]]
    assert len(children) == 2
    assert [name for _repository, name in library.put] == [*children, "v1"]


def test_it_says_how_many_bytes_were_sent() -> None:
    told: list[Event] = []
    outcomes = publisher(Shelves(), listener=told).publish([LAMP, PAUSE])
    assert {o.item.reference: o.result for o in outcomes} == {
        each.reference: sum(len(m.raw) for m in each.graph.manifests) for each in (LAMP, PAUSE)
    }
    assert {e.status for e in told if isinstance(e, ItemEnded)} == {"done"}


def test_an_image_without_a_tag_is_put_by_its_digest() -> None:
    library = Shelves()
    publisher(library).publish([Publication("src/pause@x", "air/pause", None, IMAGE)])
    assert library.put == [("air/pause", str(IMAGE.root.digest))]


def test_a_fault_on_a_child_leaves_no_tag() -> None:
    library = Shelves()
    library.faults = [Refused(Side.DESTINATION, "host", "no")]
    told: list[Event] = []
    with pytest.raises(Refused):
        publisher(library, retries=3, listener=told).publish([LAMP])
    assert library.put == []
    assert [e.status for e in told if isinstance(e, ItemEnded)] == ["failed"]


def test_what_may_pass_is_tried_again() -> None:
    library = Shelves()
    library.faults = [Unreachable(Side.DESTINATION, "host", "later", retry_after=0.0)]
    publisher(library, retries=1).publish([LAMP])
    assert library.put[-1] == ("air/lamp", "v1")


def test_a_registry_that_gives_back_something_else_is_found_out() -> None:
    library = Shelves()
    library.swapped = INDEX.root
    with pytest.raises(IntegrityFault, match="gives back") as caught:
        publisher(library).publish([PAUSE])
    assert caught.value.expected == str(PAUSE.digest)
    assert caught.value.got == str(LAMP.digest)


def test_a_registry_that_forgets_at_once_is_found_out() -> None:
    class Forgetful(Shelves):
        def put_manifest(
            self, repository: str, name: str | Digest, manifest: Manifest
        ) -> Digest | None:
            self.put.append((repository, str(name)))
            return None

    with pytest.raises(Misbehaved, match="a moment ago"):
        publisher(Forgetful()).publish([PAUSE])


def test_the_survey_tells_what_each_tag_shows_now() -> None:
    library, told = Shelves(), list[Event]()
    publisher(library).publish([LAMP])
    found = publisher(library, listener=told).survey([LAMP, PAUSE])
    ended = sorted(event.label for event in told if isinstance(event, ItemEnded))
    assert ended == [LAMP.reference, PAUSE.reference]
    assert {o.item.reference: o.result for o in found} == {
        LAMP.reference: LAMP.digest,
        PAUSE.reference: None,
    }


def test_an_image_that_is_there_without_a_carried_foreign_layer_is_not_there() -> None:
    """Registries take it so, and a push without the layer may have gone before."""
    graph = graph_of(windows("csi"))
    layer = Digest.parse(base_of("csi").digest)
    without = Publication("src/csi:v1", "air/csi", "v1", graph)
    carried = replace(without, graph=graph.carrying({layer}))
    library = Shelves()
    publisher(library).publish([without])
    library.asked.clear()
    assert [o.result for o in publisher(library).survey([without])] == [graph.root.digest]
    assert library.asked == []
    assert [o.result for o in publisher(library).survey([carried])] == [None]
    library.blobs.add(layer)
    assert [o.result for o in publisher(library).survey([carried])] == [graph.root.digest]
    assert [blob.digest for blob in library.asked] == [layer, layer]


def test_taken_tags_are_all_named_with_both_digests() -> None:
    with pytest.raises(TagTaken) as caught:
        publisher(Shelves()).refuse_taken([(LAMP, IMAGE.root.digest), (PAUSE, INDEX.root.digest)])
    for text in ("air/lamp:v1", "air/pause:3.9", str(LAMP.digest), str(PAUSE.digest)):
        assert caught.value.fact.count(text) >= 1
    assert caught.value.fact.count(str(LAMP.digest)) == 2


def test_free_tags_and_our_own_are_not_taken() -> None:
    publisher(Shelves()).refuse_taken([(LAMP, LAMP.digest), (PAUSE, None)])


def test_a_tag_that_somebody_took_since_the_survey_is_not_replaced() -> None:
    library = Shelves()
    library.held["air/pause", "3.9"] = INDEX.root
    with pytest.raises(TagTaken):
        publisher(library).publish([PAUSE])
    assert library.held["air/pause", "3.9"] == INDEX.root


def test_a_tag_that_somebody_took_is_replaced_where_that_is_meant() -> None:
    library = Shelves()
    library.held["air/pause", "3.9"] = INDEX.root
    replace(publisher(library), overwrite=True).publish([PAUSE])
    assert library.held["air/pause", "3.9"] == IMAGE.root


def test_a_child_that_is_not_kept_keeps_the_tag_away() -> None:
    class Careless(Shelves):
        def put_manifest(
            self, repository: str, name: str | Digest, manifest: Manifest
        ) -> Digest | None:
            if isinstance(name, Digest):
                return None
            return super().put_manifest(repository, name, manifest)

    library = Careless()
    with pytest.raises(Misbehaved, match="a moment ago"):
        publisher(library).publish([LAMP])
    assert ("air/lamp", "v1") not in library.held


# --- bundles ----------------------------------------------------------------------------------


def nested() -> tuple[Publication, Publication, Publication]:
    """A bundle, one in it, and an image in that; all in one repository."""
    graphs = [graph_of(build(ImageSpec(name))) for name in ("outer", "inner", "image")]
    digests = [graph.root.digest for graph in graphs]
    outer, inner, image = (
        Publication(f"src/{n}", "air/repo", f"{n}", graph, members=tuple(digests[n + 1 : n + 2]))
        for n, graph in enumerate(graphs)
    )
    return outer, inner, image


def test_a_bundle_comes_after_its_members_and_theirs() -> None:
    library = Shelves()
    publisher(library).publish([PAUSE, *nested()])
    order = [name for repository, name in library.put if repository == "air/repo"]
    assert order == ["2", "1", "0"]


def test_a_member_that_fails_keeps_away_every_bundle_that_needs_it_and_nothing_else() -> None:
    outer, inner, image = nested()

    class Choosy(Shelves):
        def put_manifest(self, repository: str, name: str | Digest, manifest: Manifest) -> None:
            if name == image.tag:
                raise Refused(Side.DESTINATION, "host", "no such thing here")
            super().put_manifest(repository, name, manifest)

    library, told = Choosy(), list[Event]()
    keeping = replace(publisher(library, listener=told), crew=Crew(2, keep_going=True))
    outcomes = keeping.publish([outer, inner, PAUSE, image])
    assert [name for _repository, name in library.put] == [PAUSE.tag]
    faults = {o.item.reference: str(o.fault) for o in outcomes if o.fault}
    assert faults == dict.fromkeys(["src/0", "src/1", "src/2"], "no such thing here")
    ended = [(e.key, e.status) for e in told if isinstance(e, ItemEnded)]
    assert sorted(ended) == [
        ("src/0", "failed"),
        ("src/1", "failed"),
        ("src/2", "failed"),
        (PAUSE.reference, "done"),
    ]


def test_a_bundle_whose_member_was_lost_on_the_way_is_not_shown() -> None:
    outer, inner, image = nested()
    library, lost = Shelves(), Refused(Side.DESTINATION, "host", "no room")
    outcomes = publisher(library).publish([inner, outer], {image.place: lost})
    assert library.put == []
    assert [outcome.fault for outcome in outcomes] == [lost, lost]


def test_a_member_of_the_same_digest_elsewhere_does_not_matter() -> None:
    outer, inner, image = nested()
    lost = {("air/other", image.digest): Refused(Side.DESTINATION, "host", "no")}
    library = Shelves()
    publisher(library).publish([outer, inner, image], lost)
    assert len(library.put) == 3


def test_a_bundle_whose_members_are_there_already_waits_for_nothing() -> None:
    library = Shelves()
    publisher(library).publish([nested()[0]])
    assert library.put == [("air/repo", "0")]


def test_a_bundle_comes_after_a_member_that_refers_to_another() -> None:
    """What has a subject comes last, and a bundle that names it in its lock later still."""
    app = build(ImageSpec("app"))
    sbom = Publication("src/sbom", "air/repo", "sbom", graph_of(referrer(app)))
    inner, outer = (
        Publication(f"src/{name}", "air/repo", name, graph_of(build(ImageSpec(name))), members=held)
        for name, held in (
            ("inner", (sbom.digest,)),
            ("outer", (graph_of(build(ImageSpec("inner"))).root.digest,)),
        )
    )
    library = Shelves()
    library.lists = True
    publisher(library).publish([outer, inner, PAUSE, sbom])
    assert [name for _repository, name in library.put] == [PAUSE.tag, "sbom", "inner", "outer"]


def test_a_bundle_is_not_shown_where_a_member_that_refers_to_another_fails() -> None:
    sbom = Publication("src/sbom", "air/repo", "sbom", graph_of(referrer(build(ImageSpec("app")))))
    bundle = Publication("src/b", "air/repo", "b", IMAGE, members=(sbom.digest,))
    library = Shelves()
    library.faults = [Refused(Side.DESTINATION, "host", "no such thing here")]
    keeping = replace(publisher(library), crew=Crew(2, keep_going=True))
    assert all(outcome.fault for outcome in keeping.publish([bundle, sbom]))
    assert library.put == []


def test_bundles_that_claim_to_hold_each_other_end() -> None:
    """No digests can be made so; a forged bundle.json can say so."""
    outer, inner, image = nested()
    circle = [outer, replace(inner, members=(outer.digest,)), image]
    assert {i for wave in waves(circle) for i in wave} == set(circle)
    library = Shelves()
    publisher(library).publish(circle)
    assert len(library.put) == 3
