"""One program as a whole: its wall time, its processor time and its peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Sample", "measure"]


@dataclass(frozen=True)
class Sample:
    """What one run took; `error` holds its last words if it failed, `output` its results."""

    seconds: float
    cpu: float
    peak_mb: float
    error: str = ""
    output: str = ""


def measure(command: Sequence[str], scratch: Path, megabytes: int = 0) -> Sample:
    """Run a program to its end, with nobody else's pages waiting to be written.

    `megabytes` is how much page cache it will fill. A virtual machine hands freed memory back to
    its host, and taking 2 GB again cost up to 7 s of system time; so they are taken beforehand.

    The kernel counts descendants that were waited for, so a shell script counts as all it started.
    The peak is at least that of the process that starts it, as it stands between fork and exec:
    whoever measures has to stay small.
    """
    os.sync()
    _take_memory(megabytes)
    output, talk = scratch / "stdout", scratch / "stderr"
    with output.open("wb") as out, talk.open("wb") as err:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=err, env=_environment(scratch))
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
    process.returncode = code = os.waitstatus_to_exitcode(status)
    error = f"exit {code}: {talk.read_text(errors='replace')[-400:].strip()}" if code else ""
    cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    return Sample(seconds, cpu, peak, error, output.read_text(errors="replace"))


def _take_memory(megabytes: int) -> None:
    """Write to so many megabytes once and free them, in a process of their own."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // (1 << 20)
    code = f"data = b'1' * ({min(megabytes, free // 2)} << 20)"
    subprocess.run([sys.executable, "-c", code], check=True)


def _environment(scratch: Path) -> dict[str, str]:
    """Return an environment without proxies, and with a home that holds no credentials.

    Without PYTHONDONTWRITEBYTECODE too: an installed tool has been compiled once.
    """
    left = {"PYTHONDONTWRITEBYTECODE"} | {n for n in os.environ if n.lower().endswith("_proxy")}
    kept = {name: text for name, text in os.environ.items() if name not in left}
    return kept | {"HOME": str(scratch), "DOCKER_CONFIG": str(scratch / ".docker")}
