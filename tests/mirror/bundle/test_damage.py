"""No cut and no flipped bit of a bundle goes unnoticed, and none reaches a tag.

A bundle of two images is small enough to try every bit of all that is not a layer. The file is
damaged in place and mended again, and the reader stays open where what it holds is not touched.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mirror.bundle.reader import Bundle
from mirror.cli.failures import exit_code
from mirror.errors import BundleFault, Fault, IntegrityFault, Side
from mirror.events import silent
from mirror.push import Push
from mirror.registry.access import Access
from mirror.registry.client import Registry
from mirror.settings import Settings
from mirror.verify import verify_all
from tests.fakes.simple import FakeRegistry
from tests.mirror.bundle.small import Small, Span, spans, two_images

ONE = Settings(concurrency=1, retries=0)


class Patient:
    """A sound bundle that is damaged one bit at a time."""

    def __init__(self, path: Path, small: Small) -> None:
        self.path, self.small = path, small
        self.bytes = path.read_bytes()
        self.spans = list(spans(path))
        self._file = os.open(path, os.O_RDWR)

    @contextmanager
    def flipped(self, at: int, bit: int) -> Iterator[None]:
        os.pwrite(self._file, bytes([self.bytes[at] ^ 1 << bit]), at)
        try:
            yield
        finally:
            os.pwrite(self._file, self.bytes[at : at + 1], at)

    @contextmanager
    def cut(self) -> Iterator[int]:
        """The file to truncate; whole again at the end."""
        try:
            yield self._file
        finally:
            os.pwrite(self._file, self.bytes, 0)

    def close(self) -> None:
        os.close(self._file)

    def parts(self, part: str) -> list[Span]:
        return [span for span in self.spans if span.part == part]

    def documents(self) -> list[Span]:
        return [s for s in self.parts("content")[1:] if not s.member.startswith("blobs/")]

    def manifests(self) -> list[Span]:
        names = {f"blobs/sha256/{digest.hex}" for digest in self.small.contents.manifests}
        return [span for span in self.parts("content") if span.member in names]

    def fetched(self) -> list[Span]:
        names = {f"blobs/sha256/{blob.digest.hex}" for blob in self.small.fetched}
        return [span for span in self.parts("content") if span.member in names]


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    small = two_images()
    patient = Patient(small.write(tmp_path_factory.mktemp("bundle") / "x.tar"), small)
    yield patient
    assert patient.path.read_bytes() == patient.bytes
    patient.close()


def bits(span: Span) -> Iterator[tuple[int, int]]:
    return ((at, bit) for at in range(span.start, span.end) for bit in range(8))


def diagnosis(bundle: Bundle) -> Fault | None:
    """What stands between these bytes and a push."""
    try:
        bundle.contents()
    except (BundleFault, IntegrityFault) as fault:
        return fault
    return None


def first_diagnosis(path: Path) -> Fault | None:
    try:
        with Bundle(path) as bundle:
            return diagnosis(bundle)
    except BundleFault as fault:
        return fault


def named(fault: Fault | None) -> str:
    return fault.member if isinstance(fault, BundleFault | IntegrityFault) else "nothing"


def test_a_sound_bundle_has_nothing_wrong(patient: Patient) -> None:
    assert first_diagnosis(patient.path) is None
    assert verify_all([patient.path], ONE, silent).damages == ()


def test_every_bit_of_the_first_header(patient: Patient) -> None:
    for at, bit in bits(patient.spans[0]):
        with patient.flipped(at, bit):
            assert named(first_diagnosis(patient.path)) == "bundle.json", (at, bit)


def test_every_bit_of_bundle_json(patient: Patient) -> None:
    for at, bit in bits(patient.parts("content")[0]):
        with patient.flipped(at, bit):
            assert first_diagnosis(patient.path), (at, bit)


def test_every_bit_of_every_other_header(patient: Patient) -> None:
    with Bundle(patient.path) as bundle:
        for span in patient.parts("header")[1:]:
            for at, bit in bits(span):
                with patient.flipped(at, bit):
                    assert named(diagnosis(bundle)) == span.member, (span, at, bit)


def test_every_bit_of_all_padding_and_of_the_end(patient: Patient) -> None:
    # Padding is named by the member that comes after it.
    members = [span.member for span in patient.parts("header")]
    after = dict(zip(members, [*members[1:], "end of the file"], strict=True))
    with Bundle(patient.path) as bundle:
        for span in patient.parts("padding") + patient.parts("trailer"):
            for at, bit in bits(span):
                with patient.flipped(at, bit):
                    expected = after.get(span.member, span.member)
                    assert named(diagnosis(bundle)) == expected, (span, at, bit)


def test_every_bit_of_oci_layout_index_and_dockers_list(patient: Patient) -> None:
    assert len(patient.documents()) == 3
    with Bundle(patient.path) as bundle:
        for span in patient.documents():
            for at, bit in bits(span):
                with patient.flipped(at, bit):
                    assert named(diagnosis(bundle)) == span.member, (span, at, bit)


def test_every_bit_of_every_manifest(patient: Patient) -> None:
    assert len(patient.manifests()) == 3
    with Bundle(patient.path) as bundle:
        for span in patient.manifests():
            for at, bit in bits(span):
                with patient.flipped(at, bit):
                    fault = diagnosis(bundle)
                    assert (named(fault), type(fault)) == (span.member, IntegrityFault), (at, bit)


def test_every_byte_of_configurations_and_layers(patient: Patient) -> None:
    dice = random.Random(1)
    for span in patient.fetched():
        for at in range(span.start, span.end, 1 if span.end - span.start < 50 else 5):
            with patient.flipped(at, dice.randrange(8)):
                ((_file, damage),) = verify_all([patient.path], ONE, silent).damages
            assert (damage.kind, damage.member) == ("content", span.member)


def test_verify_finds_what_a_push_would_refuse_and_names_it(patient: Patient) -> None:
    dice = random.Random(2)
    for at in range(0, len(patient.bytes), 23):
        with patient.flipped(at, dice.randrange(8)):
            damages = verify_all([patient.path], ONE, silent).damages
        assert damages, at
        assert all(file == str(patient.path) and damage.member for file, damage in damages)
        assert {exit_code(damage.fault()) for _file, damage in damages} <= {3, 6}


def test_every_length_is_too_short_but_the_whole(patient: Patient) -> None:
    head = patient.parts("content")[0].end
    with patient.cut() as file, Bundle(patient.path) as bundle:
        for length in range(len(patient.bytes) - 1, head - 1, -1):
            os.truncate(file, length)
            assert diagnosis(bundle), length
        for length in range(head - 1, -1, -1):
            os.truncate(file, length)
            assert named(first_diagnosis(patient.path)), length


def test_verify_and_push_at_every_block_boundary(patient: Patient, fake: FakeRegistry) -> None:
    boundaries = range(0, len(patient.bytes), 512)
    lengths = {at + by for at in boundaries for by in (-1, 0, 1)} & set(range(len(patient.bytes)))
    with patient.cut() as file, Registry(fake.host, access()) as registry:
        for length in sorted(lengths, reverse=True):
            os.truncate(file, length)
            assert verify_all([patient.path], ONE, silent).damages, length
            assert pushed(patient.path, registry) in (3, 6)
        assert registry.requests == 0


def test_a_push_asks_the_registry_nothing_while_the_head_is_damaged(patient: Patient) -> None:
    dice = random.Random(3)
    heads = [span for span in patient.spans if span not in patient.fetched() and span.end]
    places = [at for span in heads for at in range(span.start, span.end)]
    with Registry("127.0.0.1:9", access()) as registry:
        for at in dice.sample(places, 300):
            with patient.flipped(at, dice.randrange(8)):
                assert pushed(patient.path, registry) in (3, 6), at
        assert registry.requests == 0


@pytest.mark.parametrize("keep_going", [False, True])
def test_no_tag_shows_an_image_with_a_damaged_layer_or_configuration(
    patient: Patient, *, keep_going: bool
) -> None:
    dice = random.Random(4)
    for span in patient.fetched():
        for at in dice.sample(range(span.start, span.end), 2):
            with FakeRegistry() as fake, Registry(fake.host, access()) as registry:
                with patient.flipped(at, dice.randrange(8)):
                    code = pushed(patient.path, registry, keep_going=keep_going)
                assert code == (None if keep_going else 6)
                wrong = span.member.rpartition("/")[2]
                assert tags(fake) == (untouched(patient.small, wrong) if keep_going else set())
                assert not any(wrong in digest for r in repositories(fake) for digest in r)


def access() -> Access:
    return Access(Side.DESTINATION, ONE, plain_http=True)


def pushed(path: Path, registry: Registry, *, keep_going: bool = False) -> int | None:
    """The exit code of a push, or None where it ends without a fault."""
    try:
        with Bundle(path) as bundle:
            Push(bundle, registry, "air/gap", ONE, silent, keep_going=keep_going).run()
    except Fault as fault:
        return exit_code(fault)
    return None


def tags(fake: FakeRegistry) -> set[str]:
    return {f"{name}:{tag}" for name, r in fake.store.repositories.items() for tag in r.tags}


def repositories(fake: FakeRegistry) -> Iterator[set[str]]:
    return ({*r.blobs, *r.manifests} for r in fake.store.repositories.values())


def untouched(small: Small, wrong: str) -> set[str]:
    """The tags of images that do not need the blob."""
    return {
        f"air/gap/{image.path}:{image.tag}"
        for image in small.contents.images
        if all(blob.digest.hex != wrong for blob in image.graph.blobs)
    }
