"""``tkg-mirror bundle show``: what a bundle says it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.options import Format, OutputOptions
from mirror.cli.streams import print_result


def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A bundle.")], output: OutputOptions
) -> None:
    """List what a bundle holds, from its head alone; bundle verify checks the rest."""
    from mirror.bundle.reader import Bundle
    from mirror.report import json, text

    with Bundle(file) as bundle:
        inventory, size, there = bundle.inventory, bundle.size, bundle.there
    if output.format is Format.JSON:
        print_result(json.dump(json.bundle(inventory)))
    else:
        print_result(text.bundle(inventory, str(file), size, there))
