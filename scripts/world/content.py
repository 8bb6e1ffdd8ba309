"""What the made-up releases are made of: each part as it lies at the source, and as it must arrive.

contents = make_contents("0")
contents.puts                            # all manifests of all releases
contents.expected("v1.6.0", None)        # what a mirror of one of them holds
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from scripts.world.bomfiles import compatibility, tkg_bom, tkr_bom, tkr_compatibility
from scripts.world.images import Image, build
from scripts.world.imgpkg import Bundle, plain_image
from scripts.world.packages import MEMBERS, all_bundles, copied
from scripts.world.parts import Expected, Part, Put, attached, bundle_part, image_part, together
from scripts.world.plan import plan_images
from scripts.world.release import DEAD, OVERRIDES, TKGS, TKRS, Components, Tkg, Tkr, places, tagged
from scripts.world.signing import (
    SBOM,
    SIGSTORE_BUNDLE,
    attestation,
    referrer,
    referrers,
    signature,
)
from scripts.world.windows import FOREIGN, windows_images

__all__ = ["Contents", "make_contents"]

# Unique bytes of ordinary images: small, since most of a mirror's work is one of requests.
TOTAL_BYTES = 2 << 20

# Images of several platforms whatever the dice say, for there are referrers of one of them.
INDEXES = ("cluster-api/cluster-api-vsphere-controller:v1.3.1_vmware.1", "antrea-ubi:v1.5.3")

SIGNED = "kube-apiserver:v1.23.8_vmware.2"
ATTESTED = "cluster-api/cluster-api-controller:v1.1.5_vmware.1"
SIGNED_BUNDLE = "packages/standard/repo:v1.6.0"
SIGNED_MEMBER = "packages/core/antrea:v1.5.3_tkg.1-advanced", "antrea-ubi"
REFERRED = {
    "contour:v1.20.2_vmware.1": (SBOM,),
    INDEXES[0]: (SBOM, SIGSTORE_BUNDLE),
}


@dataclass(frozen=True)
class Contents:
    """All parts of all releases.

    `_tkgs` and `_tkrs` have a part for each version, `_packages` for each TKr and infrastructure;
    `_beside` is what is at the source and nobody asks for.
    """

    _tkgs: Mapping[str, Part]
    _tkrs: Mapping[str, Part]
    _packages: Mapping[tuple[str, str], Part]
    _beside: Part

    @property
    def puts(self) -> tuple[Put, ...]:
        """Every manifest of the source, once."""
        groups = (self._tkgs.values(), self._tkrs.values(), self._packages.values())
        parts = [part for group in groups for part in group]
        return together([*parts, self._beside]).puts

    @property
    def held_foreign(self) -> frozenset[str]:
        """The digests of the foreign layers that are at the source all the same."""
        nodes = (node for put in self.puts for node in put.image.walk())
        return frozenset(b.digest for node in nodes for b in node.blobs if b.media_type == FOREIGN)

    @property
    def versions(self) -> tuple[str, ...]:
        """The TKG versions that there are."""
        return tuple(self._tkgs)

    def tkrs(self, tkg_version: str) -> tuple[str, ...]:
        """Return the TKrs that a TKG version is compatible with."""
        return TKGS[tkg_version].tkrs

    def expected(
        self,
        tkg_version: str,
        tkrs: Iterable[str] | None = None,
        *,
        infrastructures: Iterable[str] | None = None,
    ) -> list[Expected]:
        """Return what must be at the destination, sorted, each path and tag once.

        `tkrs` are versions with their +, all compatible ones where None; `infrastructures` say
        whose tkr-package and tkr-package-repo, as the BOM's keys. KeyError for a version that
        there is not.
        """
        tkg = TKGS[tkg_version]
        chosen = tkg.tkrs if tkrs is None else tuple(tkrs)
        wanted = tkg.packages if infrastructures is None else set(infrastructures)
        parts = [self._tkgs[tkg_version], *(self._tkrs[tkr] for tkr in chosen)]
        if tkg.packages:
            # There are none for some infrastructures, though the BOM names them.
            pairs = [(tkr, name) for tkr in chosen for name in wanted]
            parts += [self._packages[pair] for pair in pairs if pair in self._packages]
        found: dict[tuple[str, str], Expected] = {}
        for each in together(parts).expected:
            found.setdefault((each.path, each.tag), each)
        return sorted(found.values())


@lru_cache(maxsize=4)
def make_contents(
    seed: str, *, signatures: bool = True, referrers: bool = True, foreign: bool = True
) -> Contents:
    """Make the releases of a seed, in some tenths of a second."""
    images = _images(seed, foreign=foreign)
    shelf = _Shelf(images, all_bundles(images), signatures=signatures, referrers=referrers)
    return Contents(
        {version: shelf.tkg(tkg) for version, tkg in TKGS.items()},
        {version: shelf.tkr(tkr) for version, tkr in TKRS.items()},
        shelf.packages(),
        shelf.beside(),
    )


def _images(seed: str, *, foreign: bool) -> Callable[[str], Image]:
    tables = [tkg.components for tkg in TKGS.values()] + [tkr.components for tkr in TKRS.values()]
    names = {f"{path}:{tag}" for table in tables for path, tag in places(table)} | set(MEMBERS)
    names |= {f"coredns:{tkr.coredns}" for tkr in TKRS.values()}
    specs = plan_images(names, seed=seed, total=TOTAL_BYTES)
    specs |= {name: replace(specs[name], platforms=("amd64", "arm64")) for name in INDEXES}
    special = windows_images(seed, foreign=foreign)
    return lru_cache(maxsize=None)(lambda name: special.get(name) or build(specs[name]))


class _Shelf:
    """Makes the parts, each with what is attached to it."""

    def __init__(
        self,
        images: Callable[[str], Image],
        bundles: Mapping[str, Bundle],
        *,
        signatures: bool,
        referrers: bool,
    ) -> None:
        self._images, self._bundles = images, bundles
        self._signatures, self._referrers = signatures, referrers

    def tkg(self, tkg: Tkg) -> Part:
        """Return a TKG version: its lists, its BOM and its components."""
        parts = [
            _list_part(tkg.compatibility, _lists(tkg)),
            _list_part(tkg.tkr_compatibility, _tkr_lists(tkg.tkr_compatibility)),
            _bom_part("tkg-bom", tkg.version, tkg_bom(tkg)),
            self._components(tkg.components),
        ]
        return together(parts)

    def tkr(self, tkr: Tkr) -> Part:
        """Return a TKr: its BOM, its components, and what only its kubeadmConfigSpec names."""
        image = self._images(f"coredns:{tkr.coredns}")
        parts = [
            _bom_part("tkr-bom", tkr.version, tkr_bom(tkr)),
            self._components(tkr.components),
            image_part("coredns", tkr.coredns, image, "kubeadm"),
        ]
        return together(parts)

    def packages(self) -> dict[tuple[str, str], Part]:
        """Return tkr-package and tkr-package-repo of each TKr and infrastructure that has them."""
        found = {}
        pairs = {(tkr, name) for tkg in TKGS.values() for tkr in tkg.tkrs for name in tkg.packages}
        for tkr, name in sorted(pairs):
            paths = (f"tkr-{name}", f"tkr-repository-{name}")
            there = [path for path in paths if f"{path}:{tagged(tkr)}" in self._bundles]
            if there:
                found[tkr, name] = together(self._bundle(p, tagged(tkr), "package") for p in there)
        return found

    def beside(self) -> Part:
        """Return tags beside the lists that are none of them, as a mirror's own ones are."""
        stale = plain_image({"tkg-compatibility-v1.yaml": _lists(TKGS["v1.6.0"])["v1"]})
        digest = stale.manifest.digest.replace(":", "-")
        # v9_9 is a number for Python's int(), and for nobody else.
        tags = ("latest", "v1.0.1", "vX", "v9_9", f"{digest}.imgpkg")
        puts = [Put(f"tkg-compatibility:{tag}", "tkg-compatibility", tag, stale) for tag in tags]
        return Part(tuple(puts))

    def _components(self, components: Components) -> Part:
        # The TKG BOM lists its own image, which is made from its text.
        own = [place for place in places(components) if place[0] != "tkg-bom"]
        return together(self._part(path, tag) for path, tag in own)

    def _part(self, path: str, tag: str) -> Part:
        name = f"{path}:{tag}"
        if name in self._bundles:
            return self._bundle(path, tag, "image")
        image = self._images(name)
        part = image_part(path, tag, image, below=OVERRIDES.get(path, ""))
        return together([part, *self._attached(name, path, image)])

    def _bundle(self, path: str, tag: str, kind: str) -> Part:
        name, bundle = f"{path}:{tag}", self._bundles[f"{path}:{tag}"]
        parts = [bundle_part(path, tag, bundle, kind, copied=copied(path))]
        parts += self._attached(name, path, bundle.image)
        if self._signatures and name == SIGNED_MEMBER[0]:
            member = next(m for m in bundle.walk() if m.name == SIGNED_MEMBER[1])
            artifact = signature(member.image.manifest, member.origin)
            parts.append(attached(f"{path}#{member.name}", path, member.image, artifact, "sig"))
        return together(parts)

    def _attached(self, name: str, path: str, image: Image) -> Iterable[Part]:
        manifest = image.manifest
        if self._signatures and name in (SIGNED, SIGNED_BUNDLE):
            yield attached(name, path, image, signature(manifest, f"{DEAD}/{path}"), "sig")
        if self._signatures and name == ATTESTED:
            yield attached(name, path, image, attestation(manifest, f"{DEAD}/{path}"), "att")
        if self._referrers and name in REFERRED:
            artifacts = {kind: referrer(manifest, kind) for kind in REFERRED[name]}
            yield attached(name, path, image, referrers(artifacts), "referrers")


def _bom_part(path: str, version: str, text: bytes) -> Part:
    image = plain_image({f"{path}-{version}.yaml": text})
    return image_part(path, tagged(version), image, "bom")


def _list_part(path: str, texts: Mapping[str, bytes]) -> Part:
    """Return all versions of a compatibility list, of which the highest is expected."""
    name = path.rpartition("/")[2]
    images = {tag: plain_image({f"{name}-{tag}.yaml": text}) for tag, text in texts.items()}
    newest = max(texts, key=lambda tag: int(tag[1:]))
    puts = [Put(f"{path}:{tag}", path, tag, image) for tag, image in images.items()]
    digest = images[newest].manifest.digest
    return Part(tuple(puts), (Expected(path, newest, digest, "compatibility"),))


def _lists(tkg: Tkg) -> dict[str, bytes]:
    """Return the versions of tkg-compatibility by tag: v9 and v12 were never published."""
    if tkg.compatibility.startswith("fips/"):
        numbers: Iterable[int] = (1, 2, 3)
        older, newer = {}, {"v0.25.0": "v1.6.0-fips.1"}
    else:
        numbers = (n for n in range(1, 16) if n not in (9, 12))
        older, newer = {"v0.11.6": "v1.5.4"}, {"v0.25.0": "v1.6.0"}
    tags = [f"v{n}" for n in numbers]
    # Only the highest, and neither the first nor the last of the sorted tags, has the newest.
    return {t: compatibility(t, older | newer if t == tags[-1] else older) for t in tags}


def _tkr_lists(path: str) -> dict[str, bytes]:
    """Return the versions of tkr-compatibility by tag: gaps, and an older list at the old path."""
    old = {"v1.5.4": TKGS["v1.5.4"].tkrs}
    if path == "tkr-compatibility":
        return {tag: tkr_compatibility(tag, old) for tag in ("v15", "v16")}
    part = {version: tkg.tkrs[:1] for version, tkg in TKGS.items()}
    whole = {version: tkg.tkrs for version, tkg in TKGS.items()}
    steps = {"v9": old, "v17": part, "v19": whole}
    return {tag: tkr_compatibility(tag, supported) for tag, supported in steps.items()}
