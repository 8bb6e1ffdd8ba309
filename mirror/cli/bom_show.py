"""``tkg-mirror bom show``: what BOM files hold."""

from __future__ import annotations

from typing import Annotated

import typer

from mirror.cli.options import Format, OutputOptions
from mirror.cli.streams import print_result


def show(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="TKG BOM, TKr BOM, tkg- or tkr-compatibility, or ImagesLock files.",
        ),
    ],
    output: OutputOptions,
    region: Annotated[
        list[str] | None,
        typer.Option("--region", metavar="REGION", help="Show AMIs of REGION alone. Repeatable."),
    ] = None,
) -> None:
    """Show what BOM files hold, and which parts of the reference design they bring together."""
    from bom.amis import check_regions
    from bom.coverage import coverage
    from bom.model import Bom
    from bom.parse import read_document
    from mirror.report import bom, bom_json, json

    documents = [read_document(path) for path in files]
    boms = [document for document in documents if isinstance(document, Bom)]
    regions = check_regions(boms, region or ())
    covers = coverage(boms) if boms else ()
    if output.format is Format.JSON:
        print_result(json.dump(bom_json.documents(documents, covers, regions)))
        return
    texts = [bom.document(document, regions) for document in documents]
    if covers:
        texts.append(bom.coverage(covers, [each.kind for each in boms]))
    print_result("\n\n".join(texts))
