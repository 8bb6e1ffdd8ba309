"""A real registry to try things against: CNCF Distribution as a child process on loopback.

    with Registry() as registry:
        httpx.get(f"{registry.url}/v2/")
        registry.requests()  # [AccessLine("GET", "/v2/", 200)]

It listens on a port of the kernel's choice, read back from its own log, so that any number of them
can run side by side; its storage is a temporary directory unless one is given that shall survive.

The options make it what registries in the field are:

    Registry(read_only=True)                  # in maintenance: takes nothing
    Registry(proxy=other.url)                 # a pull-through cache of another one
    Registry(tls=(certificate, key))
    Registry(htpasswd=file)                   # asks for Basic
    Registry(tokens=TokenAuth(...))           # asks for the tokens of somebody else's service
    Registry(foreign=True)                    # takes layers that lie elsewhere, as Harbor does
    Registry(disk=20 << 20)                   # keeps 20 MiB and no more; `files` shows its disk
    Registry(storage, secret="a")             # one of several on one storage: their uploads are
    Registry(storage, secret="b")             # each other's only where the secret is the same
    Registry(address="10.1.2.3", inside=...)  # of another network: ``inside`` runs a command there
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from scripts.world.disk import on_small_disk
from scripts.world.process import die_with_parent

__all__ = ["AccessLine", "Registry", "RegistryFailed", "RegistryNotInstalled", "TokenAuth"]

PROGRAM = "docker-registry"

# It is ready in some 30 ms; a loaded machine may need a hundred times that.
START_SECONDS = 10.0
STOP_SECONDS = 5.0

# A fixed one lets an upload that began before a restart go on after it; without one the registry
# makes another at every start.
SHARED = "the same after a restart"

_LISTENING = re.compile(r'msg="listening on [^"]*?:(\d+)(?:, tls)?"')
_ACCESS = re.compile(r'^\S+ \S+ .*? \[[^]]+\] "(\S+) (\S+) HTTP/[^"]+" (\d{3}) ')


class RegistryNotInstalled(RuntimeError):
    """The registry's program is not on this machine."""


class RegistryFailed(RuntimeError):
    """The registry's program ended, or kept silent, instead of listening."""


class AccessLine(NamedTuple):
    """One request as the registry saw it; the path carries its query."""

    method: str
    path: str
    status: int


@dataclass(frozen=True)
class TokenAuth:
    """Whose tokens a registry takes: Distribution's auth.token, under the names it has there."""

    realm: str
    service: str
    issuer: str
    rootcertbundle: Path


class Registry:
    """One running registry; leaving the context ends it and removes what was temporary."""

    def __init__(
        self,
        storage: Path | None = None,
        *,
        port: int = 0,
        tls: tuple[Path, Path] | None = None,
        htpasswd: Path | None = None,
        tokens: TokenAuth | None = None,
        proxy: str = "",
        secret: str = SHARED,
        disk: int = 0,
        read_only: bool = False,
        delete: bool = False,
        foreign: bool = False,
        address: str = "127.0.0.1",
        inside: Sequence[str] = (),
    ) -> None:
        self._program = shutil.which(PROGRAM)
        if self._program is None:
            raise RegistryNotInstalled(
                f"{PROGRAM} is not on PATH; on Debian and Ubuntu: apt-get install docker-registry"
            )
        self._temporary = tempfile.TemporaryDirectory(prefix="world-registry-")
        home = Path(self._temporary.name)
        self.storage = storage or home / "storage"
        self.log_path = home / "registry.log"
        self.access_path = home / "access.log"
        self._scheme = "https" if tls else "http"
        self._config_path = home / "config.yml"
        self._disk = disk
        self._config: dict[str, Any] = {
            "version": "0.1",
            "log": {"level": "info", "formatter": "text"},
            "storage": _storage(self.storage, read_only=read_only, delete=delete),
            "http": _http(secret, tls),
        }
        if foreign:
            # Without it, Distribution 2.8 answers a manifest that has layers with urls with 500.
            self._config["validation"] = {"disabled": True}
        if auth := _auth(htpasswd, tokens):
            self._config["auth"] = auth
        if proxy:
            self._config["proxy"] = {"remoteurl": proxy}
        self._process: subprocess.Popen[bytes] | None = None
        self._address = address
        self._inside = inside
        self.port = port

    def start(self) -> Self:
        """Start it and return once it listens; starting again after an end keeps the port."""
        self.storage.mkdir(parents=True, exist_ok=True)
        http = self._config["http"] | {"addr": f"{self._address}:{self.port}"}
        # JSON is YAML, so that no YAML writer is needed here.
        self._config_path.write_text(json.dumps(self._config | {"http": http}, indent=1))
        command = [*self._inside, str(self._program), "serve", str(self._config_path)]
        if self._disk:
            command = on_small_disk(command, self.storage, self._disk)
        with self.access_path.open("ab") as access, self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=access,
                stderr=log,
                preexec_fn=die_with_parent(),
            )
        try:
            self.port = self._wait_for_port(self._process)
        except RegistryFailed:
            self.kill()
            raise
        return self

    @property
    def host(self) -> str:
        """The address as it stands in a reference: 127.0.0.1:PORT."""
        return f"{self._address}:{self.port}"

    @property
    def url(self) -> str:
        """The address with its scheme and without a path."""
        return f"{self._scheme}://{self.host}"

    @property
    def pid(self) -> int:
        """The process, so that a bench can account for it."""
        if self._process is None:
            raise RegistryFailed("the registry is not running")
        return self._process.pid

    @property
    def files(self) -> Path:
        """The storage as the running registry sees it, on a disk of its own too."""
        return Path(f"/proc/{self.pid}/root") / self.storage.relative_to("/")

    def requests(self, since: int = 0) -> list[AccessLine]:
        """All requests in the order they ended, without the first `since`.

        A large body can reach its reader a moment before its line is written, so the log is read
        once it has not grown for 10 ms.
        """
        self._await_quiet()
        found = map(_ACCESS.match, self.access_path.read_text().splitlines())
        lines = [AccessLine(m[1], m[2], int(m[3])) for m in found if m]
        return lines[since:]

    def asked(self) -> int:
        """How many requests there were so far; their lines are not kept, however many."""
        self._await_quiet()
        with self.access_path.open("rb") as log:
            return sum(1 for _line in log)

    def stop(self) -> None:
        """End it politely; what it stored stays until the context is left."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def wait(self) -> int:
        """Stay until it ends by itself."""
        return self._process.wait() if self._process else 0

    def close(self) -> None:
        """Stop it and remove the temporary directory."""
        self.stop()
        self._temporary.cleanup()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _await_quiet(self) -> None:
        size, deadline = -1, time.monotonic() + 1.0
        while size != (now := self.access_path.stat().st_size) and time.monotonic() < deadline:
            size = now
            time.sleep(0.01)

    def _wait_for_port(self, process: subprocess.Popen[bytes]) -> int:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if found := _LISTENING.search(self.log_path.read_text()):
                return int(found[1])
            if process.poll() is not None:
                raise RegistryFailed(f"{PROGRAM} ended at once: {self.log_path.read_text()}")
            time.sleep(0.005)
        raise RegistryFailed(f"{PROGRAM} does not listen after {START_SECONDS:.0f} s")


def _storage(place: Path, *, read_only: bool, delete: bool) -> dict[str, object]:
    return {
        "filesystem": {"rootdirectory": str(place)},
        "delete": {"enabled": delete},
        "maintenance": {
            "readonly": {"enabled": read_only},
            # A purge of old uploads in the middle of a test would be a surprise.
            "uploadpurging": {"enabled": False},
        },
    }


def _http(secret: str, tls: tuple[Path, Path] | None) -> dict[str, object]:
    http: dict[str, object] = {"secret": secret}
    if tls:
        http["tls"] = {"certificate": str(tls[0]), "key": str(tls[1])}
    return http


def _auth(htpasswd: Path | None, tokens: TokenAuth | None) -> dict[str, object]:
    if htpasswd:
        return {"htpasswd": {"realm": "world", "path": str(htpasswd)}}
    if tokens:
        return {"token": {name: str(value) for name, value in vars(tokens).items()}}
    return {}


def main() -> None:
    """Stay in the foreground with one registry until it is interrupted."""
    parser = argparse.ArgumentParser(prog="python -m scripts.world.registry", description=__doc__)
    parser.add_argument("--storage", type=Path, help="a directory that survives")
    parser.add_argument("--port", type=int, default=5001)
    arguments = parser.parse_args()
    # A kill without -9 also leaves by the context's end, and takes the temporary directory along.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Registry(arguments.storage, port=arguments.port, delete=True, foreign=True) as registry:
        print(f"{registry.url} keeps its images in {registry.storage}", flush=True)
        try:
            registry.wait()
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()
