"""A network of the test's own, in which private addresses lead nowhere else.

    with Network("10.1.2.3", "172.16.5.5", hosts="10.1.2.3 harbor.corp.example") as net:
        with net.registry("10.1.2.3") as registry:
            ran = net.run("preflight", f"{registry.host}/tkg", "--plain-http")

It is a network namespace whose loopback device has these addresses, with its own /etc/hosts,
/etc/resolv.conf and Docker settings: whoever runs in it reaches itself, and nothing else. Root may
have one; others may in a user namespace, where the system allows these. Gone when left.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts.world.process import die_with_parent
from scripts.world.registry import PROGRAM, Registry
from tests.fakes.registries import absent
from tests.flows.cli import ROOT, Ran, finished

_WAYS = (("unshare",), ("unshare", "--user", "--map-root-user"))
_OWN = ("--net", "--mount")

# $0 is the folder of the files that take the place of the machine's. It stays until its input ends.
_SETUP = """
set -e
ip link set lo up
for file in hosts resolv.conf nsswitch.conf; do mount --bind "$0/$file" "/etc/$file"; done
if [ -d /etc/docker ]; then mount --bind "$0/docker" /etc/docker; fi
for each; do
    case "$each" in
    *=*) ip link add "${each%%=*}" type bridge
         ip link set "${each%%=*}" up
         ip address add "${each#*=}" dev "${each%%=*}" ;;
    *) ip address add "$each" dev lo ;;
    esac
done
echo ready
exec cat
"""


class Network:
    """One network of its own. ``addresses`` as "10.1.2.3"; "docker0=172.17.0.1/16" is a bridge."""

    def __init__(self, *addresses: str, hosts: str = "", nameserver: str = "127.0.0.1") -> None:
        for program in ("unshare", "nsenter", "ip", "mount"):
            if shutil.which(program) is None:
                absent(f"{program} is not on PATH; scripts/setup.sh installs iproute2")
        self._addresses = addresses
        self._files = {
            "hosts": f"127.0.0.1 localhost\n{hosts}\n",
            "resolv.conf": f"nameserver {nameserver}\n",
            "nsswitch.conf": "hosts: files dns\n",
        }
        self._folder = tempfile.TemporaryDirectory(prefix="netns-")
        self._holder: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        folder = Path(self._folder.name)
        (folder / "docker").mkdir()
        for name, text in self._files.items():
            (folder / name).write_text(text)
        places = [_with_prefix(each) for each in self._addresses]
        self._holder = subprocess.Popen(
            [*_way(), *_OWN, "sh", "-c", _SETUP, str(folder), *places],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent(),
        )
        assert self._holder.stdout
        assert self._holder.stderr
        if self._holder.stdout.readline() != "ready\n":
            words = self._holder.stderr.read()
            self.__exit__(None, None, None)
            absent(f"no network of its own can be had here: {words}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._holder:
            self._holder.communicate()
        self._folder.cleanup()

    @property
    def inside(self) -> list[str]:
        """What stands before a command that shall run in it."""
        assert self._holder
        entered = ["--user", "--preserve-credentials"] if len(_way()) > 1 else []
        target = f"--target={self._holder.pid}"
        return ["nsenter", target, *entered, *_OWN, f"--wd={ROOT}"]

    def run(self, *arguments: object, env: Mapping[str, str] | None = None) -> Ran:
        """Run a command of the tool in it."""
        variables = [f"{name}={value}" for name, value in (env or {}).items()]
        words = ["env", *variables, sys.executable, "-m", "mirror", *map(str, arguments)]
        return finished(self._start(words))

    def registry(self, address: str, port: int = 0) -> Registry:
        """A real registry that listens on one address of it, or on all: "0.0.0.0"."""
        if shutil.which(PROGRAM) is None:
            absent(f"{PROGRAM} is not installed; scripts/setup.sh installs it")
        return Registry(address=address, port=port, inside=self.inside)

    @contextmanager
    def nameserver(self, records: Mapping[str, str], address: str = "127.0.0.1") -> Iterator[None]:
        """A name server in it, on port 53; several addresses of a name have commas between."""
        given = [f"{name}={found}" for name, found in records.items()]
        words = [sys.executable, "-m", "tests.fakes.nameserver", address, "53", *given]
        process = self._start(words)
        try:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            yield
        finally:
            process.communicate()

    def _start(self, words: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.inside, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent(),
        )


def _with_prefix(place: str) -> str:
    if "/" in place:
        return place
    return f"{place}/128" if ":" in place else f"{place}/32"


@cache
def _way() -> tuple[str, ...]:
    words = ""
    for way in _WAYS:
        tried = subprocess.run([*way, *_OWN, "true"], capture_output=True, text=True, check=False)
        if tried.returncode == 0:
            return way
        words = tried.stderr.strip()
    return absent(f"no network of its own can be had here: {words}")
