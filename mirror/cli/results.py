"""How a run's result leaves: on standard output, and as an exit code where it is not whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

from mirror.cli.failures import as_fault
from mirror.cli.options import Format, OutputOptions
from mirror.cli.streams import print_result
from mirror.errors import PartialRun
from mirror.report import json, text
from mirror.report.run import RunReport
from mirror.verify import Verification


def tell_run(
    report: RunReport,
    done: str,
    output: OutputOptions,
    *,
    variables: Mapping[str, str] | None = None,
    hint: str = "",
) -> None:
    """Print a run's result; raises PartialRun, with ``hint``, where images failed."""
    whole = report.result == "ok"
    if output.format is Format.JSON:
        extra: dict[str, object] = {"variables": dict(variables)} if variables else {}
        print_result(json.dump(json.run(replace(report, extra=extra))))
    else:
        print_result(text.run(report, done if whole else "some images are missing"))
        if variables and whole:
            print_result(
                "\nFor the shell in which TKG is installed:\n\n" + text.variables(variables)
            )
    if not whole:
        count = f"{len(report.failed)} of {len(report.images)} images"
        raise PartialRun("some images failed", fact=count, hint=hint)


@contextmanager
def failure_as_result(output: OutputOptions) -> Iterator[None]:
    """Let a script that reads JSON have a document where a run ends in a fault, too."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as cause:
        if output.format is Format.JSON:
            # A full disk behind standard output must not hide what failed before it.
            with suppress(OSError):
                print_result(json.dump(json.failure(as_fault(cause))))
        raise


def leave_if_damaged(result: Verification) -> None:
    """Raise the gravest damage: wrong bytes before wrong structure."""
    faults = [damage.fault() for _file, damage in result.damages]
    if faults:
        raise next((f for f in faults if f.name == "integrity"), faults[0])
