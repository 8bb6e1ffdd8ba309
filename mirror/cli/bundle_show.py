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
    from mirror.bundle.reader import read_head
    from mirror.report import json, text

    head, there = read_head(file)
    if output.format is Format.JSON:
        print_result(json.dump(json.bundle(head)))
    else:
        print_result(text.bundle(head, str(file), there))
