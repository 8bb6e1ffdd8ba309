"""The program: ``tkg-mirror`` and ``python -m mirror``."""

from __future__ import annotations

from mirror.cli.app import app


def main() -> None:
    """Run the command line; exits with the code that the outcome has."""
    app(prog_name="tkg-mirror")


if __name__ == "__main__":
    main()
