"""The command tree. Making it must stay cheap: commands import their rooms when called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Annotated, NamedTuple

import typer

from mirror import __version__
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
_GROUPS = {"bom": "Get BOM files, and look at them.", "bundle": "Make, check and push bundles."}


class Entry(NamedTuple):
    """A command: its name with that of its group, and what its result is called.

    The function ``show`` of ``mirror.cli.bom_show`` is the command "bom show".
    """

    words: tuple[str, ...]
    thing: str


_COMMANDS = (
    Entry(("bom", "show"), "bom"),
    Entry(("bom", "images"), "images"),
    Entry(("bom", "diff"), "diff"),
    Entry(("bom", "fetch"), "fetch"),
    Entry(("bundle", "plan"), "plan"),
    Entry(("bundle", "create"), "run"),
    Entry(("bundle", "show"), "bundle"),
    Entry(("bundle", "verify"), "verify"),
    Entry(("bundle", "push"), "run"),
    Entry(("copy",), "run"),
    Entry(("preflight",), "preflight"),
)


def tree(arguments: Sequence[str] = ()) -> typer.Typer:
    """Every command; or the one alone that ``arguments`` begin with.

    To make all eleven takes 20 ms, a fifth of what `bundle show` takes. Where the arguments
    begin with anything else somebody may want to see them all.
    """
    named = [entry for entry in _COMMANDS if entry.words == tuple(arguments[: len(entry.words)])]
    return _of(named or _COMMANDS)


def _of(entries: Iterable[Entry]) -> typer.Typer:
    app = typer.Typer(
        name="tkg-mirror",
        help="Carry the images of a Tanzu Kubernetes Grid release across an air gap.",
        **_COMMON,  # type: ignore[arg-type]
    )
    app.callback()(_root)
    groups = dict[str, typer.Typer]()
    for entry in entries:
        *group, name = entry.words
        function = getattr(import_module(f"mirror.cli.{'_'.join(entry.words)}"), name)
        place = _group(app, groups, group[0]) if group else app
        command(place, name, entry.thing)(function)
    return app


def _group(app: typer.Typer, groups: dict[str, typer.Typer], name: str) -> typer.Typer:
    if name not in groups:
        groups[name] = typer.Typer(help=_GROUPS[name], **_COMMON)  # type: ignore[arg-type]
        app.add_typer(groups[name], name=name)
    return groups[name]


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"tkg-mirror {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Carry the images of a Tanzu Kubernetes Grid release across an air gap."""
