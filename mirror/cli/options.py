"""Options that several commands share, each declared once, in groups that commands take whole.

A command's function takes option groups as parameters; ``command`` lays their fields out as
the flags of one command line. Names, environment twins and ranges are those of the contract.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from mirror.cli.choices import (
    AllTkrs,
    CompatibilityPath,
    Component,
    ExcludeComponent,
    Infrastructure,
    Rewrite,
    TkgVersion,
    Tkr,
)
from mirror.cli.failures import reported
from mirror.cli.values import number, platforms, rate
from mirror.errors import Fault
from mirror.settings import Carry, Settings

Command = Callable[..., Fault | None]
"""What a command is: the fault that it returns is one that its printed result tells already."""


class Format(StrEnum):
    """How results are written."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """How much is told on standard error."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """How a command talks."""

    format: Annotated[
        Format,
        typer.Option("--format", help="How to write the result.", envvar="TKG_MIRROR_FORMAT"),
    ] = Format.TEXT
    no_progress: Annotated[
        bool,
        typer.Option(
            "--no-progress", help="Show no progress bars.", envvar="TKG_MIRROR_NO_PROGRESS"
        ),
    ] = False
    log_level: Annotated[
        LogLevel,
        typer.Option("--log-level", help="How much to tell.", envvar="TKG_MIRROR_LOG_LEVEL"),
    ] = LogLevel.INFO
    log_format: Annotated[
        Format,
        typer.Option(
            "--log-format", help="How to write what is told.", envvar="TKG_MIRROR_LOG_FORMAT"
        ),
    ] = Format.TEXT


SourceRepo = Annotated[
    str | None,
    typer.Option(
        "--source-repo",
        metavar="HOST/PROJECT",
        help="Where the images are, in place of the BOM's own base repository.",
        envvar="TKG_MIRROR_SOURCE_REPO",
    ),
]


@dataclass(frozen=True, slots=True)
class BomInputs:
    """BOM files alone."""

    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="TKG BOM and TKr BOM files.")
    ]
    source_repo: SourceRepo = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """Which images, and where they are."""

    bom: Annotated[
        list[str] | None,
        typer.Option("--bom", metavar="FILE", help="A TKG BOM or TKr BOM file. Repeatable."),
    ] = None
    tkg_version: TkgVersion = None
    tkr: Tkr = None
    all_tkrs: AllTkrs = False
    compatibility_path: CompatibilityPath = None
    images: Annotated[
        str | None,
        typer.Option(
            "--images", metavar="FILE", help="A list, one reference a line; - is standard input."
        ),
    ] = None
    plan: Annotated[
        str | None,
        typer.Option("--plan", metavar="FILE", help="A plan: its images, pinned to its digests."),
    ] = None
    infrastructure: Infrastructure = None
    component: Component = None
    exclude_component: ExcludeComponent = None
    source_repo: SourceRepo = None
    rewrite: Rewrite = None


@dataclass(frozen=True, slots=True)
class CarryOptions:
    """What comes along with the images that are named."""

    no_referrers: Annotated[
        bool,
        typer.Option(
            "--no-referrers", help="Leave out signatures and whatever else refers to an image."
        ),
    ] = False
    include_foreign_layers: Annotated[
        bool,
        typer.Option(
            "--include-foreign-layers",
            help="Carry layers whose licence forbids to redistribute them, where the registry"
            " has them.",
        ),
    ] = False
    platform: Annotated[
        list[str] | None,
        typer.Option(
            "--platform",
            metavar="OS/ARCH",
            help="Of an index, carry this platform only; some registries refuse the index then."
            " Repeatable.",
        ),
    ] = None

    def carry(self) -> Carry:
        """The part that the verbs understand; UsageFault for a platform that is none."""
        return Carry(
            referrers=not self.no_referrers,
            foreign=self.include_foreign_layers,
            platforms=platforms(self.platform or ()),
        )


@dataclass(frozen=True, slots=True)
class RegistryOptions:
    """How to talk to registries."""

    plain_http: Annotated[
        bool,
        typer.Option(
            "--plain-http", help="Speak HTTP without TLS.", envvar="TKG_MIRROR_PLAIN_HTTP"
        ),
    ] = False
    insecure_skip_tls_verify: Annotated[
        bool,
        typer.Option(
            "--insecure-skip-tls-verify",
            help="Accept any certificate.",
            envvar="TKG_MIRROR_INSECURE_SKIP_TLS_VERIFY",
        ),
    ] = False
    ca_file: Annotated[
        list[Path] | None,
        typer.Option(
            "--ca-file",
            "--ca-certificate",
            metavar="FILE",
            help="A CA to trust besides the system's: PEM, or base64 of PEM. Repeatable.",
            envvar="TKG_MIRROR_CA_FILE",
        ),
    ] = None
    cert_file: Annotated[
        Path | None,
        typer.Option(
            "--cert-file",
            metavar="FILE",
            help="A client certificate, PEM.",
            envvar="TKG_MIRROR_CERT_FILE",
        ),
    ] = None
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file",
            metavar="FILE",
            help="The key of --cert-file, PEM.",
            envvar="TKG_MIRROR_KEY_FILE",
        ),
    ] = None
    username: Annotated[
        str | None,
        typer.Option(
            "--username",
            metavar="NAME",
            help="Log in as NAME, with --password-stdin or TKG_MIRROR_PASSWORD.",
            envvar="TKG_MIRROR_USERNAME",
        ),
    ] = None
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read the password from standard input."),
    ] = False
    registry_config: Annotated[
        Path | None,
        typer.Option(
            "--registry-config",
            metavar="FILE",
            help="Credentials: docker's config.json or containers' auth.json.",
            envvar="TKG_MIRROR_REGISTRY_CONFIG",
        ),
    ] = None
    concurrency: Annotated[
        int,
        typer.Option(
            "-j",
            "--concurrency",
            metavar="N",
            min=1,
            max=64,
            help="Transfers at a time, 1 to 64 at most: a run finds its own level below.",
            envvar="TKG_MIRROR_CONCURRENCY",
        ),
    ] = Settings().concurrency
    retries: Annotated[
        int,
        typer.Option(
            "--retries",
            metavar="N",
            min=0,
            max=100,
            help="Further attempts where a fault may pass, 0 to 100.",
            envvar="TKG_MIRROR_RETRIES",
        ),
    ] = Settings().retries
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            min=1,
            max=3600,
            callback=number,
            help="Give a connection up after so long without a byte, 1 to 3600.",
            envvar="TKG_MIRROR_TIMEOUT",
        ),
    ] = Settings().timeout
    limit_rate: Annotated[
        int | None,
        typer.Option(
            "--limit-rate",
            metavar="RATE",
            parser=rate,
            help="Bytes a second for all transfers together: 500K, 20M, 1G.",
            envvar="TKG_MIRROR_LIMIT_RATE",
        ),
    ] = Settings().limit_rate
    ranges: Annotated[
        int | None,
        typer.Option(
            "--ranges",
            metavar="N",
            min=1,
            max=8,
            help="Connections that one large blob may use at a time, 1 to 8; what the link needs"
            " if not given.",
            envvar="TKG_MIRROR_RANGES",
        ),
    ] = None
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="REGISTRY=HOST",
            help="Let REGISTRY send this client to HOST for tokens and uploads. Repeatable.",
        ),
    ] = None

    def settings(self) -> Settings:
        """The part that every room understands."""
        return Settings(
            self.concurrency, self.retries, self.timeout, self.limit_rate, self.ranges or 0
        )


KeepGoing = Annotated[
    bool,
    typer.Option(
        "--keep-going", help="Do what can be done and list what failed, instead of stopping."
    ),
]

Dest = Annotated[str, typer.Argument(metavar="DEST", help="Where to: host[:port]/project[/...].")]

Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace tags that name other images.")
]

OnlyFailed = Annotated[
    str | None,
    typer.Option(
        "--only-failed",
        metavar="RESULT",
        help="Try only the images that failed in an earlier run, of which RESULT is the JSON"
        " result; - is standard input.",
    ),
]


def command(app: typer.Typer, name: str, thing: str) -> Callable[[Command], Command]:
    """Register a function as a command; parameters that are option groups become their fields.

    ``thing`` is in the name of its result's schema, ``tkg-mirror/<thing>/v1``.
    """

    def register(function: Command) -> Command:
        hints = get_type_hints(function, include_extras=True)
        groups = {p: hints[p] for p in hints if p != "return" and is_dataclass(hints[p])}
        parameters = _flatten(inspect.signature(function), hints, groups)

        @functools.wraps(function)
        def call(**values: Any) -> None:
            taken = {group: _take(kind, values) for group, kind in groups.items()}
            reported(function, {**values, **taken}, thing)

        flat = inspect.Signature(parameters)
        call.__signature__ = flat  # type: ignore[attr-defined]
        call.__annotations__ = {p.name: p.annotation for p in parameters}
        # The whole first sentence: the library would cut a longer one to a line.
        app.command(name, short_help=_sentence(function))(call)
        return function

    return register


def _sentence(function: Command) -> str:
    """The first sentence of a command's help."""
    return " ".join((function.__doc__ or "").partition("\n\n")[0].split())


def _flatten(
    signature: inspect.Signature, hints: dict[str, Any], groups: dict[str, Any]
) -> list[inspect.Parameter]:
    """The parameters in their order, a group's fields in the group's place."""
    found = list[inspect.Parameter]()
    for name, parameter in signature.parameters.items():
        if name in groups:
            found += _fields_of(groups[name])
        else:
            found.append(_keyword(name, hints[name], parameter.default))
    return found


@functools.cache
def _fields_of(group: Any) -> tuple[inspect.Parameter, ...]:
    """The same for every command that takes the group: each start saves 10 ms so."""
    hints = get_type_hints(group, include_extras=True)
    defaults = inspect.signature(group).parameters
    return tuple(_keyword(f.name, hints[f.name], defaults[f.name].default) for f in fields(group))


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def _take(group: Any, values: dict[str, Any]) -> Any:
    return group(**{field.name: values.pop(field.name) for field in fields(group)})
