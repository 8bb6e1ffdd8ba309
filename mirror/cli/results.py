"""How a run's result leaves: on standard output, and as an exit code where it is not whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from mirror.cli.options import Format, OutputOptions
from mirror.cli.streams import print_result
from mirror.errors import Fault, InputFault, PartialRun, first_moved
from mirror.report import json, text
from mirror.report.run import RunReport

if TYPE_CHECKING:
    # What each command has already, and the others need not load.
    from mirror.bundle.damage import Damage
    from mirror.report.earlier import Earlier
    from mirror.verify import Verification


def tell_run(
    report: RunReport,
    done: str,
    output: OutputOptions,
    *,
    variables: Mapping[str, str] | None = None,
    hint: str = "",
    earlier: Earlier | None = None,
) -> Fault | None:
    """Print a run's result; a PartialRun, with ``hint``, where some images failed.

    Where all did it was no partial run: the first one's own fault says what to do. A registry
    that is no more needs its own words in either case.

    ``done`` is what is true after a whole run. ``earlier`` is the run whose failed images alone
    were tried; the result says so.
    """
    whole = report.result == "ok"
    if earlier:
        notice = f"only the images that failed in {earlier.file} were tried: {len(earlier.failed)}"
        report = replace(report, notices=(*report.notices, notice))
    if output.format is Format.JSON:
        extra: dict[str, object] = {"variables": dict(variables)} if variables else {}
        print_result(json.dump(json.run(replace(report, extra=extra))))
    else:
        print_result(text.run(report, done if whole else "some images are missing"))
        if variables and whole:
            print_result(
                "\nFor the shell in which TKG is installed:\n\n" + text.variables(variables)
            )
    if whole:
        return None
    gone = first_moved(image.fault for image in report.failed)
    why = gone or next((image.fault for image in report.failed if image.fault), None)
    if report.result == "failed" and why:
        return why
    count = f"{len(report.failed)} of {len(report.images)} images"
    return PartialRun("some images failed", fact=count, hint=gone.hint if gone else hint)


def nothing_failed(earlier: Earlier) -> RunReport:
    """What a run did that had nothing to do: no image had failed before it."""
    return RunReport((), 0, 0, 0, 0.0, 0, (f"no image failed in {earlier.file}: nothing to do",))


def gravest(result: Verification) -> Fault | None:
    """The gravest damage that was found: wrong bytes before wrong structure."""
    faults = [_fault(file, damage) for file, damage in result.damages]
    if not faults:
        return None
    return next((f for f in faults if f.name == "integrity"), faults[0])


def _fault(file: str, damage: Damage) -> Fault:
    """A file that is not there was not damaged on its way."""
    if damage.kind == "missing" and damage.member == file:
        return InputFault(damage.got, fact=file)
    return damage.fault()
