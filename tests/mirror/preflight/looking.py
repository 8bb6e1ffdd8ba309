"""A registry looked at for its images: what is expected of it, and what each check says.

with FakeRegistry() as fake:
    fill(fake)                              # WORLD, below air/gap
    said = look(fake, bundle_of(WORLD))     # as if a bundle of it were given
    said["IMG-1"].status
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from mirror.errors import Side
from mirror.events import Listener, silent
from mirror.oci.digest import Digest
from mirror.oci.platform import Platform
from mirror.preflight import images
from mirror.preflight.interface import Finding
from mirror.preflight.run import Rules, examine
from mirror.preflight.scene import Awaited, Expected, Question, Scene, Target
from mirror.registry.access import Access
from mirror.registry.credentials import Credentials, CredentialStore
from mirror.settings import Settings
from scripts.world.images import Image, ImageSpec, build
from tests.fakes.packages import bundle, lock, tag_of
from tests.fakes.simple import FakeRegistry

PROJECT = "air/gap"
APP = build(ImageSpec("app", own=(900, 400)))
SISTER = build(ImageSpec("sister", bases=(("app", 300),), own=(120,)))
AGENT = build(ImageSpec("agent", platforms=("amd64", "arm64"), own=(700,)))
PACKAGE = bundle(lock(f"gone.invalid/dev/app@{APP.manifest.digest}"))
MEMBER = f"pkg:{tag_of(APP)}"
WORLD = {"agent:v1": AGENT, "app:v1": APP, "pkg:v1": PACKAGE, "sister:v2": SISTER}
MEMBERS = {"pkg:v1": (APP,)}
# Whatever else they need is there: it is the matter of other tests.
CHECKS = tuple(check._replace(needs=()) for check in images.CHECKS)


class Hosted(Protocol):
    """A registry of any kind."""

    @property
    def host(self) -> str: ...


def fill(fake: FakeRegistry, world: Mapping[str, Image] = WORLD) -> None:
    """Everything is there, the bundle's member beside it."""
    for name, image in world.items():
        path, _, tag = name.partition(":")
        fake.add(f"{PROJECT}/{path}", tag, image)
    if "pkg:v1" in world:
        fake.add(f"{PROJECT}/pkg", tag_of(APP), APP)


def bundle_of(world: Mapping[str, Image] = WORLD, without: Collection[str] = ()) -> Expected:
    """What a bundle of these images says, which holds none of the blobs in ``without``."""
    held = [blob for image in _along(world).values() for blob in image.everything().values()]
    blobs = {Digest.parse(blob.digest): blob.size for blob in held if blob.digest not in without}
    return Expected("tkg.tar", _awaited(_along(world)), blobs)


def plan_of(world: Mapping[str, Image] = WORLD, *platforms: str) -> Expected:
    """What a plan says: digests, and no blobs."""
    chosen = tuple(Platform.parse(each) for each in platforms)
    create = "tkg-mirror bundle create --plan plan.json -o tkg.tar"
    return Expected("plan.json", _awaited(_along(world)), platforms=chosen, create=create)


def bom_of(world: Mapping[str, Image] = WORLD) -> Expected:
    """What a BOM says: tags alone."""
    listed = tuple(_image(name, None) for name in world)
    create = "tkg-mirror bundle create --bom bom.yaml -o tkg.tar"
    return Expected("bom.yaml", listed, lists_members=False, create=create)


def look(
    fake: Hosted,
    expected: Expected | None,
    *,
    deep: bool = False,
    settings: Settings | None = None,
    login: Credentials | None = None,
    listener: Listener = silent,
) -> dict[str, Finding]:
    """Findings by the id of their check; one attempt for everything if nothing else is said."""
    with scene(fake, expected, deep=deep, settings=settings, login=login, listener=listener) as it:
        return {each.check.id: each for each in examine(it, CHECKS, Rules()).findings}


def scene(
    fake: Hosted,
    expected: Expected | None,
    *,
    deep: bool = False,
    settings: Settings | None = None,
    login: Credentials | None = None,
    listener: Listener = silent,
) -> Scene:
    """The registry under examination, over plain HTTP."""
    access = Access(
        Side.DESTINATION,
        settings or Settings(retries=0),
        plain_http=True,
        credentials=CredentialStore({fake.host: login} if login else {}),
    )
    target = Target.parse(f"{fake.host}/{PROJECT}", plain_http=True)
    return Scene(Question(target, access, expected, deep=deep), listener)


def statuses(said: Mapping[str, Finding]) -> dict[str, str]:
    """``pass``, ``fail`` and so on of the five."""
    return {name: f.status.value for name, f in said.items() if name.startswith("IMG-")}


def but(**other: str) -> dict[str, str]:
    """All five pass, but for these: ``but(IMG_1="fail")``."""
    passing = {f"IMG-{number}": "pass" for number in range(1, 6)}
    return passing | {name.replace("_", "-"): status for name, status in other.items()}


def lose_blob(fake: FakeRegistry, path: str, digest: str) -> None:
    fake.store.repositories[f"{PROJECT}/{path}"].blobs.pop(digest)


def lose_manifest(fake: FakeRegistry, path: str, digest: str) -> None:
    """The manifest and its tags, as a registry's own delete does it."""
    here = fake.store.repositories[f"{PROJECT}/{path}"]
    here.manifests.pop(digest)
    here.tags = {tag: found for tag, found in here.tags.items() if found != digest}


def lose_tag(fake: FakeRegistry, path: str, tag: str) -> None:
    fake.store.repositories[f"{PROJECT}/{path}"].tags.pop(tag)


def _along(world: Mapping[str, Image]) -> dict[str, Image]:
    return {**world, MEMBER: APP} if "pkg:v1" in world else {**world}


def _awaited(world: Mapping[str, Image]) -> tuple[Awaited, ...]:
    return tuple(_image(name, image) for name, image in sorted(world.items()))


def _image(name: str, image: Image | None) -> Awaited:
    path, _, tag = name.partition(":")
    reference = f"registry.example.com/tkg/{name}"
    if image is None:
        return Awaited(reference, path, tag, None)
    members = tuple(Digest.parse(each.manifest.digest) for each in MEMBERS.get(name, ()))
    return Awaited(reference, path, tag, Digest.parse(image.manifest.digest), members)
