"""The one place where faults become words and exit codes."""

from __future__ import annotations

import json
import signal
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import typer

from mirror import errors
from mirror.cli.streams import say
from mirror.text import printable

# The first class that fits decides, so a class stands before the one it is part of.
_CODES: tuple[tuple[type[errors.Fault], int], ...] = (
    (errors.UsageFault, 2),
    (errors.InputFault, 3),
    (errors.NotFound, 3),
    (errors.BundleFault, 3),
    (errors.Refused, 5),
    (errors.RegistryFault, 4),
    (errors.IntegrityFault, 6),
    (errors.PartialRun, 8),
    (errors.MachineFault, 9),
    (errors.Interrupted, 130),
)
# Of several causes at once, the one that a person must deal with first.
_GRAVEST = (4, 5, 6, 9, 3)


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
    return "\n".join(lines)


def reported(function: Callable[..., None], values: dict[str, Any]) -> None:
    """Call a command; every failure leaves as one message on standard error and a code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        function(**values)
    except typer.Exit:
        raise
    except (Exception, KeyboardInterrupt) as cause:
        fault = as_fault(cause)
        _tell(fault, cause, values.get("output"))
        raise typer.Exit(exit_code(fault)) from None


def _tell(fault: errors.Fault, cause: BaseException, output: Any) -> None:
    if getattr(output, "log_level", None) == "debug":
        say("".join(traceback.format_exception(cause)).rstrip())
    if getattr(output, "log_format", None) == "json":
        line = {"level": "error", "message": explain(fault), "name": fault.name}
        say(json.dumps(line, ensure_ascii=False))
    else:
        say(explain(fault))


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


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    """SIGTERM ends a run as Ctrl-C does."""
    raise KeyboardInterrupt
