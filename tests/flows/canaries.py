"""Secrets that can be found again: where a run gets them from, and a look into all it leaves.

    run = Run(folder, home)
    by_stdin(run, fake.host)
    ended = run("bundle", "push", ...)   # fails if a canary is in the output or in the folder

A run is a process of its own. Its output, its command line and every file in its folder are
searched for each canary, as it is and in the forms in which it is sent.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, quote

from tests.fakes.auth import credentials
from tests.fakes.behaviours import Behaviour, Go, Rule
from tests.fakes.message import Reply, Request, error_reply, json_reply
from tests.flows.cli import ROOT, Ran, in_child
from tests.flows.test_kill import wait_for

USER = "ann"
PASSWORD = "canary-password-51c9"
IDENTITY = "canary-identity-7e02"
TOKEN = "canary-token-93ad"
REFRESH = "canary-refresh-d41b"
SIGNED = "canary-signature-0f66"
STATE = "canary-session-b8e2"
PROXY = "canary-proxy-2c75"
CANARIES = (PASSWORD, IDENTITY, TOKEN, REFRESH, SIGNED, STATE, PROXY)


def forms(secret: str) -> set[bytes]:
    """A secret as it may be found: plain, in a URL, alone or with its name in base64."""
    texts = {secret, quote(secret), f"{USER}:{secret}", f"<token>:{secret}"}
    coded = {base64.b64encode(text.encode()).rstrip(b"=") for text in texts}
    return coded | {text.encode() for text in texts}


@dataclass
class Tokens:
    """A registry that wants a token, and whose token service hands out canaries."""

    realm: str

    def stop(self, request: Request) -> Reply | None:
        if request.path == "/token":
            return self._token(request)
        if request.headers.get("authorization") == f"Bearer {TOKEN}":
            return None
        challenge = f'Bearer realm="{self.realm}",service="fake"'
        return error_reply(401, "UNAUTHORIZED", WWW_Authenticate=challenge)

    def _token(self, request: Request) -> Reply:
        form = parse_qs(request.body.decode())
        known = credentials(request) == (USER, PASSWORD)
        if not known and form.get("refresh_token") != [IDENTITY]:
            return error_reply(401, "UNAUTHORIZED", echo(request))
        return json_reply({"token": TOKEN, "refresh_token": REFRESH, "expires_in": 300})


def echo(request: Request) -> str:
    """What was asked in one line, as some proxies put it into their error pages.

    The secrets come first: only the beginning of such a line is shown.
    """
    sent, body = request.headers.get("authorization", ""), request.body[:200].decode("latin-1")
    return f"{sent} {body} {request.target.partition('?')[2]} {request.method} {request.target}"


def echoes(status: int) -> Behaviour:
    """Answer what carries a secret with this status and all that was asked."""

    def behave(request: Request, go: Go) -> Reply:
        if "authorization" in request.headers or "?" in request.target or request.path == "/token":
            return error_reply(status, "UNKNOWN", echo(request))
        return go()

    return behave


# --- a run, and what it leaves ------------------------------------------------------------------


@dataclass
class Run:
    """One run in a folder of its own; what it may know is outside of that folder."""

    folder: Path
    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    stdin: str = ""
    arguments: list[object] = field(default_factory=list)
    number: signal.Signals | None = None
    """A signal to send once ``when`` has taken a request."""
    when: Rule | None = None

    def __call__(self, *command: object) -> Ran:
        with subprocess.Popen(
            [sys.executable, "-m", "mirror", *map(str, (*command, *self.arguments))],
            cwd=ROOT,
            env={**os.environ, **self.environment, "TMPDIR": str(self.folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=in_child(),
        ) as process:
            line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            assert process.stdin
            process.stdin.write(self.stdin.encode())
            process.stdin.close()
            process.stdin = None
            if self.number and self.when:
                wait_for(partial(_reached, self.when))
                process.send_signal(self.number)
            out, err = process.communicate(timeout=60)
        self.search({"command line": line, "stdout": out, "stderr": err})
        return Ran(process.returncode, out.decode(), err.decode())

    def search(self, said: Mapping[str, bytes], secrets: Sequence[str] = CANARIES) -> None:
        """Fails with every place in which a canary is."""
        files = {str(p): p.read_bytes() for p in self.folder.rglob("*") if p.is_file()}
        found = [
            (place, secret, text[max(0, text.find(form) - 200) : text.find(form) + 60])
            for place, text in {**said, **files}.items()
            for secret in secrets
            for form in forms(secret)
            if form in text
        ]
        assert not found


def _reached(rule: Rule) -> bool:
    return rule.seen > 0


# --- where secrets come from --------------------------------------------------------------------


def by_stdin(run: Run, _host: str) -> None:
    run.stdin = PASSWORD + "\n"
    run.arguments = ["--username", USER, "--password-stdin"]


def by_environment(run: Run, _host: str) -> None:
    run.environment = {"TKG_MIRROR_USERNAME": USER, "TKG_MIRROR_PASSWORD": PASSWORD}


def by_config(run: Run, host: str) -> None:
    pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    _configure(run, {"auths": {host: {"auth": pair}}})


def by_identity(run: Run, host: str) -> None:
    _configure(run, {"auths": {host: {"identitytoken": IDENTITY}}})


def by_helper(run: Run, host: str) -> None:
    _helped(run, host, f'echo \'{{"Username": "{USER}", "Secret": "{PASSWORD}"}}\'')


def by_a_helper_that_gives_a_token(run: Run, host: str) -> None:
    _helped(run, host, f'echo \'{{"Username": "<token>", "Secret": "{IDENTITY}"}}\'')


def _helped(run: Run, host: str, script: str) -> None:
    program = run.home / "docker-credential-canary"
    program.write_text(f"#!/bin/sh\ncat >/dev/null\n{script}\necho {PASSWORD} >&2\n")
    program.chmod(0o755)
    run.environment = {"PATH": f"{run.home}:{os.environ['PATH']}"}
    _configure(run, {"credHelpers": {host: "canary"}})


def _configure(run: Run, document: object) -> None:
    (run.home / ".docker").mkdir()
    (run.home / ".docker" / "config.json").write_text(json.dumps(document))


SOURCES: Sequence[Callable[[Run, str], None]] = (
    by_stdin,
    by_environment,
    by_config,
    by_identity,
    by_helper,
    by_a_helper_that_gives_a_token,
)
