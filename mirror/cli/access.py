"""From what a command was given to how registries are reached, and the files that it names."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TextIO

from mirror.cli.options import RegistryOptions
from mirror.cli.values import allowed_hosts
from mirror.errors import InputFault, MachineFault, Side, UsageFault
from mirror.events import Listener, silent
from mirror.registry.access import Access
from mirror.registry.credentials import Credentials, CredentialStore, Secret
from mirror.registry.tls import TlsOptions
from mirror.report import earlier
from mirror.report.earlier import Earlier
from mirror.settings import MAX_PLAN


def read_earlier(name: str | None, *, stdin_taken: bool) -> Earlier | None:
    """The result that ``--only-failed`` names, if it was given; - is standard input."""
    if name is None:
        return None
    if name == "-" and stdin_taken:
        raise UsageFault("standard input cannot be both", fact="--only-failed - stands alone")
    return earlier.parse(read_input(name, MAX_PLAN), called(name))


def access(
    options: RegistryOptions,
    side: Side,
    hosts: Collection[str],
    *,
    stdin_taken: bool = False,
    listener: Listener = silent,
) -> Access:
    """How to reach the registries of one side, which are ``hosts``."""
    if options.key_file and not options.cert_file:
        raise UsageFault("a key without its certificate", fact="--key-file needs --cert-file")
    if options.password_stdin and stdin_taken:
        fact = "--password-stdin stands with --images - or --plan -"
        raise UsageFault("standard input cannot be both", fact=fact)
    return Access(
        side,
        options.settings(),
        options.plain_http,
        TlsOptions(
            tuple(options.ca_file or ()),
            options.cert_file,
            options.key_file,
            options.insecure_skip_tls_verify,
        ),
        CredentialStore(_given(options, hosts), options.registry_config, listener=listener),
        allowed_hosts(options.allow_host or ()),
    )


def _given(options: RegistryOptions, hosts: Collection[str]) -> dict[str, Credentials]:
    """Credentials of this run: a name and, from standard input or the environment, its secret.

    They are for one registry. With several it is not for this tool to guess which.
    """
    if options.password_stdin and not options.username:
        raise UsageFault("a password without a name", fact="--password-stdin needs --username")
    if not options.username:
        return {}
    if len(hosts) != 1:
        raise UsageFault(
            "a name and password are for one registry",
            fact=f"this run talks to {', '.join(sorted(hosts))}",
            hint="log in to each with docker login, or give --registry-config FILE",
        )
    if options.password_stdin:
        secret = _stdin().readline().rstrip("\r\n")
    else:
        secret = os.environ.get("TKG_MIRROR_PASSWORD", "")
    if not secret:
        raise UsageFault(
            "a name without a password", fact="--username needs --password-stdin", hint=_HOW_TO_GIVE
        )
    return {host: Credentials(options.username, Secret(secret)) for host in hosts}


_HOW_TO_GIVE = "give it as a line on standard input, or in TKG_MIRROR_PASSWORD"


def _stdin() -> TextIO:
    """Standard input, which the caller may have closed: Python then has none."""
    if sys.stdin is None:
        raise UsageFault("standard input is closed", fact="something is to be read from it")
    return sys.stdin


def called(name: str) -> str:
    """What messages call an input: a line of "-:3" says little."""
    return "standard input" if name == "-" else name


def read_input(name: str, limit: int) -> bytes:
    """A file, or standard input for -; InputFault where it is not there or beyond ``limit``."""
    try:
        if name == "-":
            raw = _stdin().buffer.read(limit + 1)
        else:
            with Path(name).open("rb") as file:
                raw = file.read(limit + 1)
    except FileNotFoundError:
        raise InputFault("no such file", fact=name) from None
    except IsADirectoryError:
        raise InputFault("a folder, not a file", fact=name) from None
    except OSError as cause:
        raise MachineFault.from_os("cannot read an input", cause) from cause
    if len(raw) > limit:
        raise InputFault("too large to be what it should be", fact=f"{name}: over {limit} bytes")
    return raw
