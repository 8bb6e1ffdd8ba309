"""``tkg-mirror bom show``: what BOM files hold."""

from __future__ import annotations

from typing import Annotated

import typer

from mirror.cli.options import Format, OutputOptions
from mirror.cli.streams import print_result


def show(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="BOM files.")],
    output: OutputOptions,
) -> None:
    """Show kind, release, base repository, components and AMIs of BOM files."""
    from bom.images import images_of_boms
    from bom.parse import read_bom
    from mirror.report import json, text

    boms = [read_bom(path) for path in files]
    if output.format is Format.JSON:
        print_result(json.dump(json.boms(boms)))
        return
    for bom in boms:
        print_result(text.bom(bom, len(images_of_boms([bom]).images)))
