"""The command tree. Importing it must stay cheap: commands import their rooms when called."""

from __future__ import annotations

from typing import Annotated

import typer

from mirror import __version__
from mirror.cli import (
    bom_diff,
    bom_fetch,
    bom_images,
    bom_show,
    bundle_create,
    bundle_plan,
    bundle_push,
    bundle_show,
    bundle_verify,
    copy,
    preflight,
)
from mirror.cli.options import command

# Locals of a frame can hold credentials, so no traceback of typer's shows them; rich's help
# costs 0.1 s of CPU and reads worse in a README than plain text.
_COMMON = {
    "no_args_is_help": True,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "pretty_exceptions_show_locals": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}

app = typer.Typer(
    name="tkg-mirror",
    help="Carry the images of a Tanzu Kubernetes Grid release across an air gap.",
    **_COMMON,  # type: ignore[arg-type]
)
bom_app = typer.Typer(help="Get BOM files, and look at them.", **_COMMON)  # type: ignore[arg-type]
bundle_app = typer.Typer(help="Make, check and push bundles.", **_COMMON)  # type: ignore[arg-type]
app.add_typer(bom_app, name="bom")
app.add_typer(bundle_app, name="bundle")


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"tkg-mirror {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Carry the images of a Tanzu Kubernetes Grid release across an air gap."""


command(bom_app, "show", "bom")(bom_show.show)
command(bom_app, "images", "images")(bom_images.images)
command(bom_app, "diff", "diff")(bom_diff.diff)
command(bom_app, "fetch", "fetch")(bom_fetch.fetch)
command(bundle_app, "plan", "plan")(bundle_plan.plan)
command(bundle_app, "create", "run")(bundle_create.create)
command(bundle_app, "show", "bundle")(bundle_show.show)
command(bundle_app, "verify", "verify")(bundle_verify.verify)
command(bundle_app, "push", "run")(bundle_push.push)
command(app, "copy", "run")(copy.copy)
command(app, "preflight", "preflight")(preflight.preflight)
