"""One program as a whole: its wall time, its processor time, its peak memory, its requests."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

__all__ = ["Sample", "measure"]

# A program that hangs must not hold up the others; the slowest honest one took three minutes.
LIMIT_SECONDS = 900.0
# What would make one machine's figures others than another's.
_COLOURS = re.compile(
    r"\w+_proxy|TKG_MIRROR_\w+|SSL_CERT_\w+|REGISTRY_AUTH_FILE|XDG_RUNTIME_DIR|IMGPKG_\w+"
    r"|PYTHONDONTWRITEBYTECODE",
    re.I,
)


@dataclass(frozen=True)
class Sample:
    """What one run took; `error` holds its last words if it failed, `output` its results.

    `own` are the seconds and `moved` the bytes by its own account, where it gives one; the seconds
    are without its start.
    """

    seconds: float
    cpu: float
    peak_mb: float
    requests: int = 0
    own: float | None = None
    moved: int | None = None
    error: str = ""
    output: str = ""


def measure(
    command: Sequence[str],
    scratch: Path,
    *,
    megabytes: int = 0,
    more: Mapping[str, str] | None = None,
    asked: Callable[[], int] = lambda: 0,
    limit: float = LIMIT_SECONDS,
) -> Sample:
    """Run a program to its end, with nobody else's pages waiting to be written.

    `megabytes` is how much page cache it will fill. A virtual machine hands freed memory back to
    its host, and taking 2 GB again cost up to 7 s of system time; so they are taken beforehand.
    `more` is added to its environment. `asked` counts the requests that registries had so far.
    After `limit` seconds it is killed, and that is its error.

    The kernel counts descendants that were waited for, so a shell script counts as all it started.
    The peak is at least that of the process that starts it, as it stands between fork and exec:
    whoever measures has to stay small.
    """
    os.sync()
    _take_memory(megabytes)
    before = asked()
    sample = _run(command, scratch, _environment(scratch) | dict(more or {}), limit)
    return replace(sample, requests=asked() - before)


def _run(
    command: Sequence[str], scratch: Path, environment: dict[str, str], limit: float
) -> Sample:
    output, talk = scratch / "stdout", scratch / "stderr"
    with output.open("wb") as out, talk.open("wb") as err:
        begin = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=environment,
            start_new_session=True,
        )
        watch = threading.Timer(limit, os.killpg, (process.pid, signal.SIGKILL))
        watch.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            # It has a session of its own, so that an interrupt at the terminal does not reach it.
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            watch.cancel()
        seconds = time.monotonic() - begin
    process.returncode = code = os.waitstatus_to_exitcode(status)
    words = talk.read_text(errors="replace")[-400:].strip().replace(str(scratch), "")
    error = f"exit {code}: {words}".strip() if code else ""
    cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    return Sample(seconds, cpu, peak, error=error, output=output.read_text(errors="replace"))


def _take_memory(megabytes: int) -> None:
    """Write to so many megabytes once and free them, in a process of their own."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // (1 << 20)
    code = f"data = b'1' * ({min(megabytes, free // 2)} << 20)"
    subprocess.run([sys.executable, "-c", code], check=True)


def _environment(scratch: Path) -> dict[str, str]:
    """Return an environment without proxies and settings, and a home that holds no credentials.

    Without PYTHONDONTWRITEBYTECODE too: an installed tool has been compiled once.
    """
    kept = {name: text for name, text in os.environ.items() if not _COLOURS.fullmatch(name)}
    return kept | {"HOME": str(scratch), "DOCKER_CONFIG": str(scratch / ".docker")}
