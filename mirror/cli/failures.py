"""The one place where faults become words and exit codes."""

from __future__ import annotations

import json
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mirror import errors
from mirror.cli.signals import INTERRUPTED, heed
from mirror.cli.streams import mute, print_result, say
from mirror.text import printable

if TYPE_CHECKING:
    from mirror.events import ImageFailed

# The first class that fits decides, so a class stands before the one it is part of.
_CODES: tuple[tuple[type[errors.Fault], int], ...] = (
    (errors.UsageFault, 2),
    (errors.InputFault, 3),
    (errors.NotFound, 3),
    (errors.BundleFault, 3),
    (errors.Refused, 5),
    (errors.RegistryFault, 4),
    (errors.IntegrityFault, 6),
    (errors.Unfit, 7),
    (errors.PartialRun, 8),
    (errors.MachineFault, 9),
    (errors.Interrupted, INTERRUPTED),
)
# Of several causes at once, the one that a person must deal with first.
_GRAVEST = (4, 5, 6, 9, 3)
# After these the same command goes on, with nothing to be mended here first.
_GOES_ON = (errors.Interrupted, errors.Unreachable)
# Packages whose exceptions repeat what a peer sent.
_QUOTING = frozenset({"h11", "httpcore", "httpx"})

# Characters of a line that is shown: two digests and a long reference fit.
_LONGEST_LINE = 600


def exit_code(fault: errors.Fault) -> int:
    """The contract's exit code for a fault."""
    if isinstance(fault, errors.Unresolved):
        codes = {exit_code(cause) for _reference, cause in fault.causes}
        return next(code for code in _GRAVEST if code in codes)
    return next((code for kind, code in _CODES if isinstance(fault, kind)), 1)


def explain(fault: errors.Fault) -> str:
    """What failed, the fact, whose matter it is, what to do next."""
    lines = [f"error: {printable(fault.what, _LONGEST_LINE)}"]
    if fault.fact:
        # Facts quote registries and files; a line of theirs must not look like one of ours.
        facts = fault.fact.splitlines()
        lines += [f"  {printable(line, _LONGEST_LINE)}" for line in facts]
    lines.append(f"  whose matter: {fault.whose}")
    if fault.hint:
        lines.append(f"  next: {fault.hint}")
    if isinstance(fault, _GOES_ON):
        lines.append(f"  command: {command_line()}")
    return "\n".join(lines)


def command_line() -> str:
    """This run's command as it was given, quoted for a shell. No argument holds a secret."""
    program, *arguments = sys.argv
    called = [program]
    if Path(program).name == "__main__.py":
        called = [sys.executable, "-m", "mirror"]
    return shlex.join([*called, *arguments])


class Ended(Exception):
    """A run's end by its ``__cause__``, and the images that had failed until then."""

    def __init__(self, failed: Sequence[ImageFailed]) -> None:
        super().__init__(f"{len(failed)} images failed before")
        self.failed = failed


def reported(
    function: Callable[..., errors.Fault | None], values: dict[str, Any], thing: str
) -> None:
    """Call a command; every failure leaves as one message on standard error and a code.

    A fault that is raised is told in the result as well, where that is JSON: ``thing`` is the
    name of its schema. One that is returned is in the result that was printed.
    """
    heed()
    output = values.get("output")
    try:
        fault = function(**values)
        if fault:
            _tell(fault, output)
    except typer.Exit:
        raise
    except (Exception, KeyboardInterrupt) as cause:
        fault = _end(cause, output, thing)
    if fault:
        raise typer.Exit(exit_code(fault)) from None


def told_here(cause: OSError) -> int:
    """Tell of output that could not be written, and write no more; returns the exit code."""
    mute(sys.stdout)
    fault = as_fault(cause)
    _tell(fault, None)
    return exit_code(fault)


def _end(cause: BaseException, output: Any, thing: str) -> errors.Fault:
    """Tell what ended a command; the fault decides the exit code."""
    failed: Sequence[ImageFailed] = ()
    if isinstance(cause, Ended) and cause.__cause__:
        failed, cause = cause.failed, cause.__cause__
    fault = as_fault(cause)
    if getattr(output, "format", None) == "json":
        from mirror.report import json as results

        # A full disk behind standard output must not hide what failed before it.
        with suppress(OSError):
            print_result(results.dump(results.failure(fault, thing, failed)))
    if getattr(output, "log_level", None) == "debug":
        _say("debug", _trace(cause), output)
    for image in failed:
        _say("error", f"failed: {image.reference}: {printable(image.reason)}", output)
    _tell(fault, output)
    return fault


def _trace(cause: BaseException) -> str:
    """Where it happened, the first cause first, without the values of any variable.

    What the HTTP libraries say themselves is left out: they quote lines of a peer that may have
    echoed a password or token. The fault that came of it has their words, masked.
    """
    parts = list[str]()
    current: BaseException | None = cause
    while current:
        kind = type(current)
        words = "" if kind.__module__.partition(".")[0] in _QUOTING else f": {current}"
        parts.append(
            "".join(traceback.format_tb(current.__traceback__)) + kind.__qualname__ + words
        )
        context = None if current.__suppress_context__ else current.__context__
        current = current.__cause__ or context
    return "\n".join(reversed(parts))


def _tell(fault: errors.Fault, output: Any) -> None:
    _say("error", explain(fault), output, name=fault.name)


def _say(level: str, text: str, output: Any, **more: str) -> None:
    """A text for people, or the same in a line for machines."""
    if getattr(output, "log_format", None) == "json":
        text = json.dumps({"level": level, "message": text, **more}, ensure_ascii=False)
    say(text)


def as_fault(cause: BaseException) -> errors.Fault:
    """The fault that any exception is told as."""
    if isinstance(cause, errors.Fault):
        return cause
    if isinstance(cause, KeyboardInterrupt):
        return errors.Interrupted("interrupted")
    if isinstance(cause, OSError):
        return errors.MachineFault.from_os("this machine refuses something", cause)
    return errors.Fault(
        f"a fault of tkg-mirror itself ({type(cause).__name__})",
        hint="run it again with --log-level debug and report what it prints",
    )
