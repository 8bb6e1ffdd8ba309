"""Options that say which release, which part of it, and where that is: one by one, for groups."""

from __future__ import annotations

from typing import Annotated

import typer

TkgVersion = Annotated[
    str | None,
    typer.Option(
        "--tkg-version", metavar="V", help="A TKG release: its BOMs are read from the registry."
    ),
]

Tkr = Annotated[
    list[str] | None,
    typer.Option(
        "--tkr",
        metavar="V",
        help="A TKr of that release, with + or _; if none is named, the BOM's default. Repeatable.",
    ),
]

AllTkrs = Annotated[
    bool, typer.Option("--all-tkrs", help="Every TKr that goes with that TKG release.")
]

CompatibilityPath = Annotated[
    str | None,
    typer.Option(
        "--compatibility-path",
        metavar="PATH",
        help="Where tkg-compatibility is, if elsewhere: fips/tkg-compatibility.",
    ),
]

Infrastructure = Annotated[
    list[str] | None,
    typer.Option(
        "--infrastructure",
        metavar="NAME",
        help="Carry the TKr packages for NAME (aws, azure, vsphere-nonparavirt) alone, not for all"
        " that the TKG BOM has. Repeatable.",
    ),
]

Component = Annotated[
    list[str] | None,
    typer.Option(
        "--component",
        metavar="NAME",
        help="Carry the images of this component alone: a name or NAME/VERSION, with * and ?."
        " Repeatable.",
    ),
]

ExcludeComponent = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude-component",
        metavar="NAME",
        help="Leave out the images of this component. Repeatable.",
    ),
]

Rewrite = Annotated[
    list[str] | None,
    typer.Option(
        "--rewrite",
        metavar="FROM=TO",
        help="Fetch from TO what is named under FROM. Repeatable; the longest FROM wins.",
    ),
]
