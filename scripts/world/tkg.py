"""Fill a registry with made-up TKG releases, and know what a mirror of each must hold.

    world = seed_release("http://127.0.0.1:5001", "tkg", "0")
    world.expected("v1.6.0", ["v1.23.8+vmware.2-tkg.1"], infrastructures=["aws"])

All that TKG reads from a registry is there: compatibility lists with gaps and foreign tags beside
them, BOMs, TKrs, package bundles two levels deep, signatures, referrers, Windows images. Nothing
of it is made or read with the tool's own code. A BOM names a host that is long dead, so
`world.rewrite` says where its images are. What `without` names is missing at the source:

    seed_release(url, "tkg", "0", without=["etcd:v3.5.4_vmware.6"])         # an image of a BOM
    seed_release(url, "tkg", "0", without=["packages/core/antrea#antrea-ubi"])   # a bundle's member

`world.names` are all that there are. The registry must take layers that lie elsewhere, as
`Registry(foreign=True)` does, unless the world is made without them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx

from scripts.world.bomfiles import tkg_bom, tkr_bom
from scripts.world.content import Contents, make_contents
from scripts.world.parts import Expected, Put
from scripts.world.release import AWS, AZURE, DEAD, TKGS, TKRS, VSPHERE
from scripts.world.seed import THREADS, Entry, Seeder, write_list
from scripts.world.threads import shared_client

__all__ = ["TkgWorld", "main", "seed_release"]


@dataclass(frozen=True)
class TkgWorld:
    """A seeded registry. `entries` are the manifests put there, in the order of their names."""

    url: str
    prefix: str
    contents: Contents
    entries: tuple[Entry, ...]

    @property
    def repository(self) -> str:
        """Where the releases are, as host/path: what a BOM's base repository once was."""
        return f"{httpx.URL(self.url).netloc.decode()}/{self.prefix}"

    @property
    def rewrite(self) -> str:
        """The dead host's repository and this one, as FROM=TO."""
        return f"{DEAD}={self.repository}"

    @property
    def versions(self) -> tuple[str, ...]:
        """The TKG versions that there are."""
        return self.contents.versions

    @property
    def held_foreign(self) -> frozenset[str]:
        """The digests of the foreign layers that are at the source all the same."""
        return self.contents.held_foreign

    @property
    def names(self) -> tuple[str, ...]:
        """What can be left out: path:tag, path#member, and either with .sig, .att, .referrers."""
        return tuple(sorted({put.name for put in self.contents.puts}))

    def tkrs(self, tkg_version: str) -> tuple[str, ...]:
        """Return the TKrs that a TKG version is compatible with."""
        return self.contents.tkrs(tkg_version)

    def expected(
        self,
        tkg_version: str,
        tkrs: Iterable[str] | None = None,
        *,
        infrastructures: Iterable[str] | None = None,
    ) -> list[Expected]:
        """Return what must be at the destination; see `Contents.expected`."""
        return self.contents.expected(tkg_version, tkrs, infrastructures=infrastructures)

    def write_bom(self, version: str, directory: Path) -> Path:
        """Write the BOM of a TKG version or a TKr to a file, as who has downloaded it has it."""
        tkg = TKGS.get(version)
        text = tkg_bom(tkg) if tkg else tkr_bom(TKRS[version])
        path = directory / f"{'tkg' if tkg else 'tkr'}-bom-{version}.yaml"
        path.write_bytes(text)
        return path


def seed_release(
    url: str,
    prefix: str = "tkg",
    seed: str = "0",
    *,
    signatures: bool = True,
    referrers: bool = True,
    foreign: bool = True,
    without: Collection[str] = (),
    client: httpx.Client | None = None,
) -> TkgWorld:
    """Seed all releases; ValueError where `without` names what there is not.

    What is left out is still expected: the world says what a whole mirror has, and the test what
    is to be said about a part of it. The client may carry credentials or a CA.
    """
    contents = make_contents(seed, signatures=signatures, referrers=referrers, foreign=foreign)
    if unknown := set(without) - {put.name for put in contents.puts}:
        raise ValueError(f"nothing in this world is called {' or '.join(sorted(unknown))}")
    puts = [put for put in contents.puts if put.name not in without]
    if client:
        entries = _put_all(Seeder(url, client), prefix, puts)
    else:
        with shared_client(timeout=60) as own:
            entries = _put_all(Seeder(url, own), prefix, puts)
    return TkgWorld(url, prefix, contents, entries)


def _put_all(seeder: Seeder, prefix: str, puts: Iterable[Put]) -> tuple[Entry, ...]:
    def one(put: Put) -> Entry:
        return seeder.put(f"{prefix}/{put.path}", put.tag or put.image.manifest.digest, put.image)

    with ThreadPoolExecutor(THREADS) as pool:
        return tuple(pool.map(one, puts))


def main() -> None:
    """Seed, say how much in one line, and write what a mirror of the chosen release must hold."""
    arguments = _arguments()
    begin = time.monotonic()
    world = _seeded(arguments)
    expected = world.expected(
        arguments.tkg_version, arguments.tkr, infrastructures=arguments.infrastructure
    )
    write_list(expected, arguments.list)
    if arguments.boms:
        arguments.boms.mkdir(parents=True, exist_ok=True)
        tkrs = arguments.tkr or world.tkrs(arguments.tkg_version)
        for version in (arguments.tkg_version, *tkrs):
            world.write_bom(version, arguments.boms)
    seconds = time.monotonic() - begin
    talk = f"{len(world.entries)} manifests in {seconds:.1f} s; --rewrite {world.rewrite}"
    print(talk, file=sys.stderr)


def _seeded(arguments: argparse.Namespace) -> TkgWorld:
    try:
        return seed_release(
            f"http://{arguments.registry}",
            arguments.prefix,
            arguments.seed,
            signatures=arguments.signatures,
            referrers=arguments.referrers,
            foreign=arguments.foreign,
            without=arguments.without,
        )
    except (ValueError, httpx.HTTPError) as cause:
        sys.exit(f"error: {cause}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.world.tkg",
        description="Fill a registry with made-up TKG releases. What a mirror of one of them must "
        "hold is written as JSON: path, tag, digest and kind of each manifest.",
        epilog="What can be left out: each path:tag of a BOM (etcd:v3.5.4_vmware.6), each member "
        "of a bundle (packages/core/antrea#antrea-ubi), and what is attached to either, with .sig, "
        ".att or .referrers behind it.",
    )
    parser.add_argument("--registry", default="127.0.0.1:5001", metavar="HOST:PORT")
    parser.add_argument("--prefix", default="tkg", help="stands for the BOMs' base repository")
    parser.add_argument("--seed", default="0", help="which world: the same seed, the same digests")
    parser.add_argument("--list", type=Path, metavar="FILE", help="instead of standard output")
    parser.add_argument("--boms", type=Path, metavar="DIR", help="also write the BOM files there")
    chosen = parser.add_argument_group("the release that the list is about")
    chosen.add_argument("--tkg-version", default="v1.6.0", choices=TKGS, help="default: v1.6.0")
    chosen.add_argument("--tkr", action="append", choices=TKRS, help="default: all it may have")
    chosen.add_argument(
        "--infrastructure",
        action="append",
        choices=(AWS, AZURE, VSPHERE),
        help="whose TKr packages; default: all, of which azure has none",
    )
    less = parser.add_argument_group("a world with less in it")
    no = argparse.BooleanOptionalAction
    less.add_argument("--signatures", action=no, default=True, help="cosign's .sig and .att tags")
    less.add_argument("--referrers", action=no, default=True, help="OCI 1.1, with fallback tags")
    less.add_argument("--foreign", action=no, default=True, help="layers that lie elsewhere")
    less.add_argument(
        "--without", action="append", default=[], metavar="NAME", help="path:tag or path#member"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
