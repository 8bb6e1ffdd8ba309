"""Who this tool is to a registry: names and secrets, and the files they come from.

Looked up in this order: given for this run; ``--registry-config``; docker's ``config.json``
with its credential helpers; ``$REGISTRY_AUTH_FILE`` and containers' ``auth.json``. Never an
argument, and never shown: a ``Secret`` prints as stars.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from mirror.errors import InputFault, MachineFault
from mirror.events import Listener, Noticed, silent
from mirror.oci.strictjson import parse_object
from mirror.settings import HELPER_TIMEOUT, MAX_SMALL_FILE

# docker writes Docker Hub under the address of its first API.
_DOCKER_HUB = (
    "docker.io",
    "index.docker.io",
    "https://index.docker.io/v1/",
    "registry-1.docker.io",
)
# Names of credential helpers: they become a program's name, so nothing that could be a path.
_HELPER = re.compile(r"[a-z0-9][a-z0-9-]*")
# The user name by which docker and its helpers say that the secret is a refresh token.
_IDENTITY = "<token>"


class Secret:
    """A text that shows itself to nobody: not printed, not formatted, not pickled."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text, for the one line that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written down")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user's name and password, or, where ``identity`` is true, a refresh token."""

    username: str
    secret: Secret
    identity: bool = False

    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        # An environment variable may hold bytes that are no UTF-8; they are sent as they are.
        pair = f"{self.username}:{self.secret.reveal()}".encode("utf-8", "surrogateescape")
        return "Basic " + base64.b64encode(pair).decode("ascii")


@dataclass(slots=True)
class CredentialStore:
    """Finds the credentials for a host; what was given for this run goes before all files.

    ``given`` is by host: a password that was typed for one registry is no other's business,
    and images of one run may come from several.
    """

    given: Mapping[str, Credentials] = field(default_factory=dict)
    config: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    listener: Listener = field(default=silent, repr=False)
    _asked: dict[tuple[str, str], Credentials | None] = field(
        default_factory=dict, init=False, repr=False
    )
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def lookup(self, host: str, repository: str) -> Credentials | None:
        """Credentials for ``repository`` at ``host``, or None: then the tool is nobody there.

        Raises InputFault for a file that cannot be understood, MachineFault for a helper
        that does not answer.
        """
        if host in self.given:
            return self.given[host]
        for path in self._files():
            document = _load(path, required=path == self.config)
            if document and (found := self._in_document(document, path, host, repository)):
                return found
        return None

    def _files(self) -> Iterator[Path]:
        if self.config:
            yield self.config
            return
        home = Path(self.environment.get("HOME", "/nonexistent"))
        yield Path(self.environment.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
        if named := self.environment.get("REGISTRY_AUTH_FILE"):
            yield Path(named)
        if runtime := self.environment.get("XDG_RUNTIME_DIR"):
            yield Path(runtime) / "containers" / "auth.json"
        yield home / ".config" / "containers" / "auth.json"

    def _in_document(
        self, document: dict[str, Any], path: Path, host: str, repository: str
    ) -> Credentials | None:
        keys = list(_keys(host, repository))
        helpers = _mapping(document, "credHelpers")
        for key in keys:
            if helper := helpers.get(key):
                return self._ask(_helper(helper, path), key, path)
        auths = _mapping(document, "auths")
        for key in keys:
            if isinstance(entry := auths.get(key), dict) and (found := _decode(entry, path, key)):
                return found
        if helper := document.get("credsStore"):
            key = keys[-1] if host in _DOCKER_HUB else host
            return self._ask(_helper(helper, path), key, path)
        return None

    def _ask(self, helper: str, key: str, path: Path) -> Credentials | None:
        """A helper is a program, and may ask a person: it is run once for each address."""
        with self._lock:
            if (helper, key) not in self._asked:
                self._asked[helper, key] = self._run(helper, key, path)
            return self._asked[helper, key]

    def _run(self, helper: str, key: str, path: Path) -> Credentials | None:
        """A helper that is not there is told: else its user is taken for nobody, and told 401."""
        program = f"docker-credential-{helper}"
        if shutil.which(program) is None:
            reason = f"{path} names {program}, which is not on PATH"
            self.listener(Noticed(f"{reason}: {key} is asked without credentials"))
            return None
        return _ask_helper(helper, key)


def _load(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SMALL_FILE + 1)
    except FileNotFoundError:
        if not required:
            return {}
        raise InputFault("no such credentials file", fact=str(path)) from None
    except OSError as cause:
        raise MachineFault.from_os("cannot read credentials", cause) from cause
    try:
        if len(raw) > MAX_SMALL_FILE:
            raise ValueError(f"larger than {MAX_SMALL_FILE} bytes")
        return parse_object(raw)
    except ValueError as cause:
        # The file holds secrets, so not even the place of the fault is quoted from it.
        reason = str(cause) if "larger" in str(cause) else "not a JSON object"
        raise InputFault("the credentials file is damaged", fact=f"{path}: {reason}") from None


def _keys(host: str, repository: str) -> Iterator[str]:
    """Names an entry may have, the most particular first: containers' auth.json knows
    ``host/project``, docker only hosts, at times with a scheme in front.
    """
    parts = repository.split("/")
    for count in range(len(parts), 0, -1):
        yield f"{host}/{'/'.join(parts[:count])}"
    names = _DOCKER_HUB if host in _DOCKER_HUB else (host,)
    for name in names:
        yield name
        if "//" not in name:
            yield f"https://{name}"
            yield f"https://{name}/v2/"
    if host in _DOCKER_HUB:
        yield "https://index.docker.io/v1/"


def _mapping(document: dict[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _decode(entry: dict[str, Any], path: Path, key: str) -> Credentials | None:
    token = entry.get("identitytoken")
    if isinstance(token, str) and token:
        return Credentials(_IDENTITY, Secret(token), identity=True)
    encoded = entry.get("auth")
    if not isinstance(encoded, str) or not encoded:
        return None
    return _from_basic(encoded, f"{path}: the entry of {key}")


def _from_basic(encoded: str, place: str) -> Credentials:
    try:
        username, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        colon = ""
    if not colon:
        raise InputFault("credentials are damaged", fact=f"{place} is not base64 of name:password")
    secret = secret.rstrip("\0")
    return Credentials(username, Secret(secret), identity=username == _IDENTITY)


def _helper(name: Any, path: Path) -> str:
    if isinstance(name, str) and _HELPER.fullmatch(name):
        return name
    raise InputFault("not the name of a credential helper", fact=f"{path}: {str(name)[:60]!r}")


def _ask_helper(helper: str, key: str) -> Credentials | None:
    """Run ``docker-credential-<helper> get`` by way of oras, which knows their protocol.

    oras waits without end, and some helpers ask a person who is not there; hence the thread.
    """
    from oras.auth.base import AuthBackend

    # oras logs what a failing helper wrote, and that may hold a secret.
    logging.getLogger("oras.logger").disabled = True
    answer: list[str | None] = []

    def ask() -> None:
        try:
            answer.append(AuthBackend()._get_auth_from_creds_store(helper, key))
        except Exception:
            # Whatever a helper prints instead of credentials means that it has none; its
            # words may hold secrets and are not kept.
            answer.append(None)

    worker = threading.Thread(target=ask, daemon=True, name=f"credential-helper-{helper}")
    worker.start()
    worker.join(HELPER_TIMEOUT)
    if not answer:
        raise MachineFault(
            "a credential helper does not answer",
            fact=f"docker-credential-{helper}: {HELPER_TIMEOUT:.0f} s",
        )
    return _from_basic(answer[0], f"what docker-credential-{helper} gave") if answer[0] else None
