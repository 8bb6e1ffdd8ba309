"""``tkg-mirror bom images``: the references that BOM files name."""

from __future__ import annotations

import typer

from mirror.cli.options import BomInputs, Format, OutputOptions


def images(inputs: BomInputs, output: OutputOptions) -> None:
    """Print every image that BOM files name, sorted, each once."""
    from bom.images import images_of_boms
    from bom.parse import read_bom
    from mirror.report import json

    boms = [read_bom(path) for path in inputs.files]
    found = images_of_boms(boms, source_repo=inputs.source_repo)
    for notice in found.notices:
        typer.echo(f"notice: {notice}", err=True)
    if output.format is Format.JSON:
        typer.echo(json.dump(json.images(found)))
    else:
        typer.echo("\n".join(str(image.reference) for image in found.images))
