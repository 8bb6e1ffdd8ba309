"""``tkg-mirror bom diff``: what changes from one release to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.options import Format, OutputOptions, RegistryOptions, SourceRepo
from mirror.cli.streams import print_result, say

if TYPE_CHECKING:
    from bom.diff import BomDiff
    from mirror.rewrite import Rewrites
    from mirror.upgrade import Answer


def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A TKG BOM or TKr BOM file.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Another one of the same kind.")],
    registry: RegistryOptions,
    output: OutputOptions,
    resolve: Annotated[
        bool,
        typer.Option(
            "--resolve",
            help="Ask the registry for all manifests: compare digests, and tell bytes to move.",
        ),
    ] = False,
    source_repo: SourceRepo = None,
    rewrite: Annotated[
        list[str] | None,
        typer.Option(
            "--rewrite",
            metavar="FROM=TO",
            help="With --resolve: ask at TO for what is named under FROM. Repeatable.",
        ),
    ] = None,
) -> None:
    """Tell which components and images differ between two releases."""
    from bom.diff import diff_boms
    from bom.parse import read_bom
    from mirror.errors import UsageFault
    from mirror.report import diff as report
    from mirror.report import json
    from mirror.rewrite import Rewrites
    from mirror.text import printable
    from mirror.upgrade import with_digests

    rewrites = Rewrites.parse(rewrite or [])
    if rewrites.pairs and not resolve:
        raise UsageFault("nothing is fetched", fact="--rewrite stands with --resolve")
    found = diff_boms(read_bom(old), read_bom(new), source_repo=source_repo)
    for notice in found.notices:
        say(f"notice: {printable(notice)}")
    answer = None
    if resolve:
        answer = _ask(found, source_repo, rewrites, registry, output)
        found = with_digests(found, answer.digests)
    if output.format is Format.JSON:
        print_result(json.dump(report.document(found, answer)))
    else:
        print_result(report.text(found, answer))


def _ask(
    found: BomDiff,
    source_repo: str | None,
    rewrites: Rewrites,
    registry: RegistryOptions,
    output: OutputOptions,
) -> Answer:
    """What the registries say of both releases, their BOMs' own images included."""
    from bom.images import images_of_boms, merge
    from mirror.cli.access import access
    from mirror.cli.console import listening
    from mirror.cli.inputs import Wanted
    from mirror.create import ask
    from mirror.errors import Side
    from mirror.registry.remote import Registries
    from mirror.settings import Carry
    from mirror.upgrade import weigh

    sides = [
        images_of_boms([bom], source_repo=source_repo, own_images=True)
        for bom in (found.old, found.new)
    ]
    hosts = Wanted(merge(sides), rewrites).hosts
    with listening(output) as listener:
        reach = access(registry, Side.SOURCE, hosts, listener=listener)
        with Registries(reach) as source:
            # One after the other: what comes along with an image belongs to its release.
            return weigh(
                *(
                    ask(Wanted(side, rewrites).creation(source, Carry(), reach.settings, listener))
                    for side in sides
                )
            )
