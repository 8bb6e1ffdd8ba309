"""The program: ``tkg-mirror`` and ``python -m mirror``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; exits with the code that the outcome has."""
    try:
        # Imported here, so that a Ctrl-C while Python still loads is told like any other.
        from mirror.cli.app import app

        app(prog_name="tkg-mirror")
    except OSError as cause:
        # Help is the library's to write, past everything that tells of failures.
        from mirror.cli.failures import told_here

        sys.exit(told_here(cause))
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
