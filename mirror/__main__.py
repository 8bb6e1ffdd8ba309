"""The program: ``tkg-mirror`` and ``python -m mirror``."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line; exits with the code that the outcome has."""
    code = run()
    # Whatever counts is closed by now. To free each module and object as well takes 40 to 80 ms.
    os._exit(code)


def run() -> int:
    """Run the command line; its exit code."""
    try:
        return _run()
    except OSError as cause:
        # Help is the library's to write, past everything that tells of failures.
        from mirror.cli.failures import told_here

        return told_here(cause)
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130


def _run() -> int:
    # Modules are no garbage: to look for some among them takes 20 ms of a start.
    gc.set_threshold(10_000)
    try:
        # Imported here, so that a Ctrl-C while Python still loads is told like any other.
        from mirror.cli.app import tree

        tree(sys.argv[1:])(prog_name="tkg-mirror")
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        code = end.code
    for stream in (sys.stdout, sys.stderr):
        if stream:
            stream.flush()
    return code


if __name__ == "__main__":
    main()
