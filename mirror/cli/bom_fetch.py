"""``tkg-mirror bom fetch``: a release's BOM and compatibility files out of a registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.choices import AllTkrs, CompatibilityPath, Rewrite, Tkr
from mirror.cli.options import Format, OutputOptions, RegistryOptions, SourceRepo
from mirror.cli.streams import print_result, say


def fetch(
    tkg_version: Annotated[
        str, typer.Option("--tkg-version", metavar="V", help="The TKG release: v1.6.0.")
    ],
    to: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="The folder to write into.")
    ],
    registry: RegistryOptions,
    output: OutputOptions,
    tkr: Tkr = None,
    all_tkrs: AllTkrs = False,
    compatibility_path: CompatibilityPath = None,
    source_repo: SourceRepo = None,
    rewrite: Rewrite = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that have other content.")
    ] = False,
) -> None:
    """Write a release's BOM and compatibility files, byte for byte as the registry has them."""
    from mirror.cli.access import access
    from mirror.cli.console import listening
    from mirror.cli.inputs import refuse_two_choices
    from mirror.errors import Side, Unresolved
    from mirror.files import refuse_no_folder, write_all
    from mirror.registry.artifact import Artifacts
    from mirror.registry.remote import Registries
    from mirror.release import REPOSITORY, Request, read_release
    from mirror.report import json
    from mirror.rewrite import Rewrites

    refuse_two_choices(tkr, all_tkrs=all_tkrs)
    rewrites = Rewrites.parse(rewrite or [])
    tkrs, repository = tuple(tkr or ()), source_repo or REPOSITORY
    request = Request(tkg_version, tkrs, all_tkrs, repository, compatibility_path)
    refuse_no_folder(to)
    with listening(output) as listener:
        hosts = rewrites.hosts_below(request.repository)
        reach = access(registry, Side.SOURCE, hosts, listener=listener)
        with Registries(reach) as source:
            found = read_release(request, Artifacts(source), rewrites, reach.settings, listener)
    if found.failed:
        raise Unresolved([(str(image.reference), fault) for image, fault in found.failed])
    files = [(document.name, document.content) for document in found.documents]
    write_all(to, files, force=force)
    for notice in found.images.notices:
        say(f"notice: {notice}")
    if output.format is Format.JSON:
        print_result(json.dump(json.fetched(to, found)))
    else:
        print_result("\n".join(str(to / name) for name, _content in files))
