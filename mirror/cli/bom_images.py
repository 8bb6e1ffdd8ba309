"""``tkg-mirror bom images``: the references that BOM files name."""

from __future__ import annotations

from mirror.cli.options import BomInputs, Format, OutputOptions
from mirror.cli.streams import print_result, say


def images(inputs: BomInputs, output: OutputOptions) -> None:
    """Print every image that BOM files name, sorted, each once."""
    from bom.images import images_of_boms
    from bom.parse import read_bom
    from mirror.report import json
    from mirror.text import printable

    boms = [read_bom(path) for path in inputs.files]
    found = images_of_boms(boms, source_repo=inputs.source_repo)
    for notice in found.notices:
        say(f"notice: {printable(notice)}")
    if output.format is Format.JSON:
        print_result(json.dump(json.images(found)))
    else:
        print_result("\n".join(str(image.reference) for image in found.images))
