"""Bundles among images: told by their label alone, and read as what they are, foreign files."""

from __future__ import annotations

import gzip
import io
import json
import tarfile

import pytest

from bom.images import images_of_list
from bom.limits import MAX_LOCK_IMAGES
from mirror import imgpkg
from mirror.create import Creation, resolve
from mirror.errors import Fault, InputFault, IntegrityFault, Side, Unresolved
from mirror.events import silent
from mirror.members import member_references
from mirror.registry.access import Access
from mirror.registry.remote import Registries
from mirror.resolve import Resolution, Resolved
from mirror.settings import MAX_COMPANION_ROUNDS, MAX_IMAGES_LOCK, MIB, Carry, Settings
from scripts.world.images import (
    DOCKER,
    Blob,
    Image,
    ImageSpec,
    Layer,
    build,
    make_image,
    make_index,
)
from tests.fakes.behaviours import answer, flip_byte
from tests.fakes.packages import HEAD, LABELS, bundle, bundle_of, lock, tag_of
from tests.fakes.simple import FakeRegistry

APP = build(ImageSpec("app"))
GONE = f"sha256:{'0' * 64}"
REPOSITORY = "tkg/packages/app"
HOST = "registry.example.com"


def run(fake: FakeRegistry, *names: str, bundles: bool = True) -> Resolution:
    """What becomes of ``repository:tag`` names, and of all that comes along with them."""
    images = images_of_list("".join(f"{fake.host}/{name}\n" for name in names), "list")
    with Registries(Access(Side.SOURCE, plain_http=True)) as source:
        settings, carry = Settings(retries=0), Carry(bundles=bundles, referrers=False)
        return resolve(Creation(images, source, settings, silent, carry=carry))


def refusal(fake: FakeRegistry, *names: str) -> dict[str, Fault]:
    """Faults by what they are about, the host left out."""
    with pytest.raises(Unresolved) as caught:
        run(fake, *names)
    return {name.removeprefix(f"{fake.host}/"): fault for name, fault in caught.value.causes}


def only(found: Resolution) -> Resolved:
    (image,) = found.images
    return image


def at(fake: FakeRegistry, image: Image, repository: str = "tkg/app") -> str:
    """How a lock names an image."""
    return f"{fake.host}/{repository}@{image.manifest.digest}"


def hold(fake: FakeRegistry, *members: Image, repository: str = REPOSITORY) -> Image:
    """A bundle of images that lie where imgpkg puts them: in the bundle's own repository."""
    for member in members:
        fake.add(repository, tag_of(member), member)
    made = bundle(lock(*(at(fake, member) for member in members)), name=repository)
    fake.add(repository, "v1", made)
    return made


# --- what a bundle is -------------------------------------------------------------------------


def test_what_a_lock_names_comes_along_tagged_as_imgpkg_tags_it(fake: FakeRegistry) -> None:
    other = build(ImageSpec("other", platforms=("amd64", "arm64")))
    hold(fake, APP, other)
    found = run(fake, f"{REPOSITORY}:v1")
    root, *members = found.images
    assert sorted(str(digest) for digest in root.members or ()) == sorted(
        image.manifest.digest for image in (APP, other)
    )
    assert {str(m.wanted.reference) for m in members} == {
        f"{fake.host}/{REPOSITORY}:{tag_of(image)}@{image.manifest.digest}"
        for image in (APP, other)
    }
    assert {m.wanted.reference for m in members} == set(member_references(root))
    assert {(m.wanted.path, m.wanted.repository, m.wanted.required) for m in members} == {
        (root.wanted.path, root.wanted.repository, True)
    }
    assert {m.members for m in members} == {None}
    assert found.notices == ()


@pytest.mark.parametrize("value", ["true", "false", "", "\x1b[2J", "0"])
def test_the_label_counts_and_not_its_value(fake: FakeRegistry, value: str) -> None:
    labels = {"dev.carvel.imgpkg.bundle": value}
    fake.add("a/b", "1", bundle(lock(), labels=labels))
    assert only(run(fake, "a/b:1")).members == ()


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"dev.carvel.imgpkg": "true"},
        {"dev.carvel.imgpkg.bundle.not": "true"},
        {"title": "dev.carvel.imgpkg.bundle"},
    ],
)
def test_other_labels_make_no_bundle(fake: FakeRegistry, labels: dict[str, str]) -> None:
    fake.add("packages/core/repo", "1", bundle(lock(f"{HOST}/a@{GONE}"), labels=labels))
    assert only(run(fake, "packages/core/repo:1")).members is None


def with_config(raw: bytes) -> Image:
    """An image of one layer whose configuration is whatever it is."""
    layer = make_image([], labels=LABELS).blobs[0]
    config = Blob.from_bytes(DOCKER.config, raw)
    manifest = {
        "schemaVersion": 2,
        "mediaType": DOCKER.manifest,
        "config": config.descriptor(),
        "layers": [layer.descriptor() | {"mediaType": DOCKER.layer}],
    }
    blob = Blob.from_bytes(DOCKER.manifest, json.dumps(manifest).encode())
    return Image(blob, (config, layer))


@pytest.mark.parametrize(
    "raw",
    [
        b"dev.carvel.imgpkg.bundle",
        b'["dev.carvel.imgpkg.bundle", 1]',
        b'{"config": ["dev.carvel.imgpkg.bundle"]}',
        b'{"config": {"Labels": ["dev.carvel.imgpkg.bundle"]}}',
        b'{"config": {"Labels": "dev.carvel.imgpkg.bundle"}}',
        b'{"config": {"Labels": null}, "x": "dev.carvel.imgpkg.bundle"}',
        b'{"config": null, "Labels": {"dev.carvel.imgpkg.bundle": "true"}}',
        b'{"config": {"Labels": {"dev.carvel.imgpkg.bundle": "\xff"}}}',
        b'{"dev.carvel.imgpkg.bundle": ' + b"[" * 100_000,
    ],
    ids=range(9),
)
def test_a_configuration_that_is_none_makes_no_bundle(fake: FakeRegistry, raw: bytes) -> None:
    fake.add("a/b", "1", with_config(raw))
    assert only(run(fake, "a/b:1")).members is None


def test_a_bundle_inside_an_index_is_none(fake: FakeRegistry) -> None:
    index = make_index((bundle(lock(f"{HOST}/a@{GONE}")),), ("amd64",), docker=True)
    fake.add("a/b", "1", index)
    assert only(run(fake, "a/b:1")).members is None
    assert fake.count("GET", "/blobs/") == 0


def test_where_members_are_not_wanted_nothing_is_looked_into(fake: FakeRegistry) -> None:
    hold(fake, APP)
    assert only(run(fake, f"{REPOSITORY}:v1", bundles=False)).members is None
    assert fake.count("GET", "/blobs/") == 0


@pytest.mark.parametrize("size", [2, 4 * MIB + 1], ids=["an artifact's", "too large"])
def test_a_configuration_of_another_size_than_a_bundles_is_not_asked_for(
    fake: FakeRegistry, size: int
) -> None:
    fake.add("a/b", "1", with_config(bytes(size)))
    assert only(run(fake, "a/b:1")).members is None
    assert fake.count("GET", "/blobs/") == 0


def test_a_layer_that_is_not_carried_makes_no_bundle(fake: FakeRegistry) -> None:
    kind = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    layer = Layer(Blob.from_bytes(kind, b"windows"), GONE)
    fake.add("a/b", "1", make_image([layer], docker=True, labels=LABELS))
    assert only(run(fake, "a/b:1")).members is None


# --- what is asked for ------------------------------------------------------------------------


def test_an_image_with_several_layers_costs_one_request(fake: FakeRegistry) -> None:
    fake.add("a/b", "1", build(ImageSpec("many", own=(900, 400))))
    fake.add("a/c", "1", build(ImageSpec("several", own=(900, 400), platforms=("a", "b"))))
    run(fake, "a/b:1", "a/c:1")
    assert [seen.method for seen in fake.requests] == ["GET"] * 4
    assert fake.count("GET", "/manifests/") == 4


def test_a_configuration_and_a_lock_are_asked_for_once_in_a_run(fake: FakeRegistry) -> None:
    inner = hold(fake, APP, repository="tkg/inner")
    for repository in ("tkg/one", "tkg/two"):
        fake.add(repository, tag_of(APP), APP)
        hold(fake, inner, repository=repository)
    fake.add("tkg/again", "v1", inner)
    fake.add("tkg/again", tag_of(APP), APP)
    found = run(fake, "tkg/one:v1", "tkg/two:v1", "tkg/again:v1", "tkg/inner:v1")
    assert len(found.images) == 4 + 2 * 2 + 2
    asked = [seen.path.rpartition("/")[2] for seen in fake.requests if "/blobs/" in seen.path]
    assert len(asked) == len(set(asked)) == 3 + 1 + 3


# --- nesting ----------------------------------------------------------------------------------


def test_members_of_a_nested_bundle_lie_in_the_root_bundles_repository(fake: FakeRegistry) -> None:
    inner = hold(fake, APP, repository="tkg/inner")
    middle = hold(fake, inner, APP, repository="tkg/middle")
    for member in (inner, middle, APP):
        fake.add("tkg/outer", tag_of(member), member)
    hold(fake, middle, repository="tkg/outer")
    found = run(fake, "tkg/outer:v1")
    assert {image.wanted.path for image in found.images} == {"tkg/outer"}
    assert {image.wanted.reference.tag for image in found.images} == {
        "v1",
        *(tag_of(image) for image in (middle, inner, APP)),
    }
    nested = {i.wanted.reference.tag: len(i.members or ()) for i in found.images}
    assert nested == {"v1": 1, tag_of(middle): 2, tag_of(inner): 1, tag_of(APP): 0}


def test_a_bundle_locked_by_another_tag_of_its_own_repository_ends(fake: FakeRegistry) -> None:
    """As a release that contains the one before it."""
    old = hold(fake, APP)
    new = bundle(lock(f"{fake.host}/{REPOSITORY}:v1@{old.manifest.digest}"), name="new")
    fake.add(REPOSITORY, "v2", new)
    found = run(fake, f"{REPOSITORY}:v1", f"{REPOSITORY}:v2")
    assert len(found.images) == 4
    assert fake.count("GET", "/manifests/") == 3


def test_a_bundle_that_a_registry_claims_to_hold_itself_is_found_out(fake: FakeRegistry) -> None:
    """Its digest would have to be in its own bytes, so another's bytes are given for it."""
    inside = bundle(lock(f"{fake.host}/{REPOSITORY}@{GONE}"), name="inside")
    place = fake.store.repositories[REPOSITORY]
    fake.add(REPOSITORY, "v1", inside)
    place.manifests[GONE] = place.manifests[inside.manifest.digest]
    faults = refusal(fake, f"{REPOSITORY}:v1")
    assert {type(fault) for fault in faults.values()} == {IntegrityFault}


def test_bundles_without_an_end_are_refused(fake: FakeRegistry) -> None:
    inner = APP
    for number in range(MAX_COMPANION_ROUNDS + 1):
        fake.add(REPOSITORY, tag_of(inner), inner)
        inner = bundle(lock(at(fake, inner)), name=f"{number}")
    fake.add(REPOSITORY, "v1", inner)
    faults = refusal(fake, f"{REPOSITORY}:v1")
    assert any("nested more than" in str(fault) for fault in faults.values())
    assert f"{REPOSITORY}:v1" in faults


# --- where members are ------------------------------------------------------------------------


def test_a_member_is_looked_for_beside_its_bundle_and_its_old_host_left_alone(
    fake: FakeRegistry,
) -> None:
    fake.add(REPOSITORY, tag_of(APP), APP)
    with FakeRegistry() as old:
        fake.add(REPOSITORY, "v1", bundle(lock(at(old, APP))))
        assert len(run(fake, f"{REPOSITORY}:v1").images) == 2
        assert old.requests == []


def test_a_member_may_lie_only_where_the_lock_says(fake: FakeRegistry) -> None:
    with FakeRegistry() as old:
        old.add("library/app", "v1", APP)
        fake.add(REPOSITORY, "v1", bundle(lock(at(old, APP, "library/app"))))
        _root, member = run(fake, f"{REPOSITORY}:v1").images
        assert member.origin == f"{old.host}/library/app"
        assert member.wanted.path == REPOSITORY


def test_members_of_a_bundle_that_was_found_elsewhere_are_looked_for_there(
    fake: FakeRegistry,
) -> None:
    """A nested bundle that was copied whole, whose lock still names hosts that are gone."""
    inner = bundle(lock(f"gone.invalid/app@{APP.manifest.digest}"), name="inner")
    for image in (inner, APP):
        fake.add("library/inner", tag_of(image), image)
    fake.add(REPOSITORY, "v1", bundle(lock(at(fake, inner, "library/inner"))))
    found = run(fake, f"{REPOSITORY}:v1")
    assert [image.origin.rpartition(fake.host)[2] for image in found.images] == [
        f"/{REPOSITORY}",
        "/library/inner",
        "/library/inner",
    ]


def test_an_image_locked_twice_is_one_member_that_may_be_in_both_places(
    fake: FakeRegistry,
) -> None:
    fake.add("second", "v1", APP)
    fake.add(REPOSITORY, "v1", bundle(lock(at(fake, APP, "first"), at(fake, APP, "second"))))
    root, member = run(fake, f"{REPOSITORY}:v1").images
    assert len(root.members or ()) == 1
    assert member.origin == f"{fake.host}/second"


def test_a_missing_member_is_told_with_its_bundle_and_every_place(fake: FakeRegistry) -> None:
    hold(fake, APP, repository="tkg/inner")
    outer = bundle(lock(f"{fake.host}/lost/one@{GONE}", at(fake, APP)))
    fake.add("tkg/outer", "v1", outer)
    fake.add("tkg/outer", tag_of(APP), APP)
    faults = refusal(fake, "tkg/outer:v1", "tkg/inner:v1")
    tag = GONE.replace(":", "-") + ".imgpkg"
    assert set(faults) == {"tkg/outer:v1", f"tkg/outer:{tag}@{GONE}"}
    for place in (f"{fake.host}/tkg/outer@{GONE}", f"{fake.host}/lost/one@{GONE}"):
        assert place in faults["tkg/outer:v1"].fact
    assert f"{tag}@{GONE}" in str(faults["tkg/outer:v1"])


def test_where_the_old_host_is_gone_both_places_are_told(fake: FakeRegistry) -> None:
    with FakeRegistry() as old:
        gone = old.host
    fake.add(REPOSITORY, "v1", bundle(lock(f"{gone}/a/b@{GONE}")))
    fault = refusal(fake, f"{REPOSITORY}:v1")[f"{REPOSITORY}:v1"]
    assert f"{gone}/a/b@{GONE}" in fault.fact
    assert f"{fake.host}/{REPOSITORY}@{GONE}" in fault.fact
    assert fault.name == "unreachable"


# --- locks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("images", [b"", b"images:\n", b"images: null\n", b"images: []\n"])
def test_a_lock_may_be_empty(fake: FakeRegistry, images: bytes) -> None:
    fake.add("a/b", "1", bundle(HEAD + images))
    found = run(fake, "a/b:1")
    assert only(found).members == ()
    assert found.notices == ()


def test_a_bundle_without_a_lock_is_carried_alone_and_told(fake: FakeRegistry) -> None:
    fake.add("a/b", "1", bundle(None))
    found = run(fake, "a/b:1")
    assert only(found).members == ()
    (notice,) = found.notices
    assert f"{fake.host}/a/b:1" in notice
    assert ".imgpkg/images.yml" in notice


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "an empty file"),
        (b"\xff\xfe", ".imgpkg/images.yml"),
        (HEAD + b"images: {a: b}\n", ".imgpkg/images.yml:4"),
        (lock(f"{HOST}/a:v1"), "it has no digest"),
        (lock(f"user:secret@{HOST}/a@{GONE}"), "has no place"),
        (lock(f"{HOST}/../a@{GONE}"), "'..'"),
        (lock(f"{HOST}/a@sha512:{'0' * 128}"), "sha512"),
        (HEAD + b"images: &a [*a]\n", ".imgpkg/images.yml"),
        (HEAD + b"x: " + b"y" * MAX_IMAGES_LOCK, f"more than {MAX_IMAGES_LOCK}"),
        (b"y" * 10 * MIB, f"more than {MAX_IMAGES_LOCK}"),
        (HEAD + b"images:\n" + b"- {}\n" * 100_000, ".imgpkg/images.yml"),
        (HEAD + b"images: [" + b"0," * 900_000 + b"0]\n", ".imgpkg/images.yml"),
    ],
    ids=range(12),
)
def test_a_wrong_lock_is_told_with_bundle_file_and_reason(
    fake: FakeRegistry, text: bytes, words: str
) -> None:
    fake.add("a/b", "1", bundle(text))
    fake.add("a/c", "1", bundle(text))
    faults = refusal(fake, "a/b:1", "a/c:1")
    assert set(faults) == {"a/b:1", "a/c:1"}
    for name, fault in faults.items():
        assert isinstance(fault, InputFault)
        assert f"{fake.host}/{name}" in fault.what
        assert words in fault.fact
        assert ".imgpkg/images.yml" in fault.fact
        assert "secret" not in f"{fault.fact}{fault.what}"


def test_a_lock_of_more_images_than_any_bundle_has(fake: FakeRegistry) -> None:
    entry = b"- image: a.b/c@" + GONE.encode() + b"\n"
    fake.add("a/b", "1", bundle(HEAD + b"images:\n" + entry * (MAX_LOCK_IMAGES + 1)))
    assert f"{MAX_LOCK_IMAGES}" in refusal(fake, "a/b:1")["a/b:1"].fact
    assert fake.count("GET", GONE) == 0


@pytest.mark.parametrize("repositories", [("a/b",), ("a/b", "a/c", "a/d")])
def test_members_of_one_run_are_counted(
    fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch, repositories: tuple[str, ...]
) -> None:
    """In one lock of many, and in many places that have one and the same lock."""
    monkeypatch.setattr(imgpkg, "MAX_MEMBERS", 4)
    digests = [f"sha256:{number:064}" for number in range(5 if len(repositories) == 1 else 2)]
    made = bundle(lock(*(f"{fake.host}/lost@{digest}" for digest in digests)))
    for repository in repositories:
        fake.add(repository, "1", made)
    faults = refusal(fake, *(f"{repository}:1" for repository in repositories))
    assert sum("more than 4" in str(fault) for fault in faults.values()) == 1


def test_what_locks_repeat_is_counted_too(
    fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One member, and a thousand places where it might be."""
    monkeypatch.setattr(imgpkg, "MAX_MEMBERS", 4)
    fake.add("a/b", "1", bundle(lock(*(f"{fake.host}/lost/{n}@{GONE}" for n in range(5)))))
    assert "more than 4" in refusal(fake, "a/b:1")["a/b:1"].fact
    assert fake.count("GET", GONE) == 0


# --- layers -----------------------------------------------------------------------------------


def tarred(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for info, content in entries:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(made.getvalue(), mtime=0)


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info, b""


def file(name: str, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), content


LOCK = ".imgpkg/images.yml"
SOUND = tarred(file(LOCK, lock()))
HOSTILE = {
    "a link to another file": tarred(link(LOCK, "/etc/passwd")),
    "a hard link": tarred(file("a", lock()), link(LOCK, "a", tarfile.LNKTYPE)),
    "a device": tarred(link(LOCK, "", tarfile.CHRTYPE)),
    "twice": tarred(file(LOCK, lock()), file(f"./{LOCK}", lock())),
    "a way out": tarred(file(f"a/../{LOCK}", lock())),
    "a way out beside it": tarred(file(LOCK, lock()), file("../../etc/cron.d/x", b"")),
    "a bomb": tarred(file("zeros", bytes(80 * MIB))),
    "a bomb in front of it": tarred(file("zeros", bytes(20 * MIB)), file(LOCK, lock())),
    "cut": SOUND[:-20],
    "no gzip, no tar": b"<html>please log in</html>" * 40,
    "nothing": b"",
    "zstd": b"\x28\xb5\x2f\xfd" + bytes(600),
    "something behind": SOUND + b"something",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_layer_is_told_with_its_bundle(fake: FakeRegistry, kind: str) -> None:
    fake.add("a/b", "1", bundle_of(HOSTILE[kind]))
    (fault,) = refusal(fake, "a/b:1").values()
    assert isinstance(fault, InputFault)
    assert f"{fake.host}/a/b:1" in fault.what
    assert ".imgpkg/images.yml" in fault.fact
    assert "whoever published" in fault.whose


@pytest.mark.parametrize("name", [f"./{LOCK}", f"/{LOCK}", f".//.imgpkg/./{LOCK[8:]}"])
def test_other_spellings_of_the_same_name_are_the_same_file(fake: FakeRegistry, name: str) -> None:
    fake.add(REPOSITORY, tag_of(APP), APP)
    fake.add(REPOSITORY, "v1", bundle_of(tarred(file(name, lock(at(fake, APP))))))
    assert len(run(fake, f"{REPOSITORY}:v1").images) == 2


@pytest.mark.parametrize("name", ["images.yml", "a/.imgpkg/images.yml", ".IMGPKG/images.yml"])
def test_other_files_are_no_lock(fake: FakeRegistry, name: str) -> None:
    fake.add("a/b", "1", bundle_of(tarred(file(name, lock(f"{HOST}/a@{GONE}")))))
    assert only(run(fake, "a/b:1")).members == ()


def test_a_layer_too_large_to_be_a_packages_is_not_asked_for(fake: FakeRegistry) -> None:
    layer = Layer(Blob(DOCKER.layer, GONE, 65 * MIB, lambda: [b""]), GONE)
    fake.add("a/b", "1", make_image([layer], docker=True, labels=LABELS))
    (fault,) = refusal(fake, "a/b:1").values()
    assert f"{65 * MIB} bytes" in fault.fact
    assert fake.count("GET", GONE) == 0


# --- registries -------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [0, 1], ids=["configuration", "layer"])
def test_wrong_bytes_are_asked_for_once_more(fake: FakeRegistry, which: int) -> None:
    made = hold(fake, APP)
    fake.on("GET", f"/blobs/{made.blobs[which].digest}", flip_byte(30), nth=1)
    assert len(run(fake, f"{REPOSITORY}:v1").images) == 2


@pytest.mark.parametrize("which", [0, 1], ids=["configuration", "layer"])
def test_wrong_bytes_are_no_reason_to_believe_or_blame_the_bundle(
    fake: FakeRegistry, which: int
) -> None:
    made = hold(fake, APP)
    fake.on("GET", f"/blobs/{made.blobs[which].digest}", flip_byte(30))
    (fault,) = refusal(fake, f"{REPOSITORY}:v1").values()
    assert isinstance(fault, IntegrityFault)
    assert made.blobs[which].digest in fault.fact
    assert fake.count("GET", f"/blobs/{made.blobs[which].digest}") == 2


@pytest.mark.parametrize("which", [0, 1], ids=["configuration", "layer"])
def test_a_registry_that_does_not_give_it_is_told_and_all_others_too(
    fake: FakeRegistry, which: int
) -> None:
    made = hold(fake, APP)
    fake.on("GET", f"/blobs/{made.blobs[which].digest}", answer(404, "BLOB_UNKNOWN"))
    faults = refusal(fake, f"{REPOSITORY}:v1", "a/missing:1")
    assert set(faults) == {f"{REPOSITORY}:v1", "a/missing:1"}
    assert made.blobs[which].digest in str(faults[f"{REPOSITORY}:v1"])
