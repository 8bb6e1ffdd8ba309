"""VMware's registry is gone: whatever one meets at its name, the way to the new one is told."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.world.images import ImageSpec, build
from tests.fakes.behaviours import answer, hang_up
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import Ran, run

OLD, STAGING = "projects.registry.vmware.com", "projects-stg.registry.vmware.com"
NEW = "projects.packages.broadcom.com"
HERE = build(ImageSpec("here"))
QUICK = ("--plain-http", "--retries", 0)
Command = Callable[..., Ran]


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names that stand for this machine; what is not among them has no address."""
    known, here = socket.getaddrinfo, set[str]()

    def resolve(host: Any, *more: Any, **named: Any) -> Any:
        if host in here:
            return known("127.0.0.1", *more, **named)
        if host == "127.0.0.1":
            return known(host, *more, **named)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return here


@pytest.fixture(params=["plan", "create", "copy"])
def command(request: pytest.FixtureRequest, fake: FakeRegistry, tmp_path: Path) -> Command:
    """Something that reads these images; ``fake`` is where a copy goes to."""
    path = tmp_path / "images.txt"
    heads = {
        "plan": ("bundle", "plan"),
        "create": ("bundle", "create", "-o", tmp_path / "x.tar"),
        "copy": ("copy", f"{fake.host}/air/gap"),
    }

    def made(*images: str, more: tuple[object, ...] = ()) -> Ran:
        path.write_text("".join(f"{image}\n" for image in images))
        return run(*heads[request.param], "--images", path, *QUICK, *more)

    return made


def advised(ran: Ran, host: str) -> bool:
    flags = f"--source-repo {NEW}/tkg", f"--rewrite {host}={NEW}"
    (hint,) = [line for line in ran.err.splitlines() if line.startswith("  next: ")]
    return host in hint and all(flag in hint for flag in flags)


@pytest.mark.parametrize("host", [OLD, STAGING])
def test_a_name_that_nobody_knows_any_more(command: Command, host: str) -> None:
    ran = command(f"{host}/tkg/antrea:v1", f"{host}/tkg/etcd:v1")
    assert ran.code == 4
    assert "Name or service not known" in ran.err
    assert advised(ran, host)


def test_another_name_that_nobody_knows_gets_no_such_advice(command: Command) -> None:
    ran = command("harbor.example.com/tkg/antrea:v1")
    assert ran.code == 4
    assert NEW not in ran.err


ANSWERS = {
    "no such project": (answer(404, "NAME_UNKNOWN"), 3),
    "maintenance": (answer(503), 4),
    "a login": (answer(401), 5),
    "closed": (answer(403), 5),
    "a farewell page": (answer(200, body=b"<html>We have moved</html>"), 4),
    "nothing": (hang_up(), 4),
}


@pytest.mark.parametrize("given", ANSWERS)
def test_whatever_answers_under_its_name(command: Command, names: set[str], given: str) -> None:
    behaviour, code = ANSWERS[given]
    names.add(OLD)
    with FakeRegistry() as old:
        old.on("*", "", behaviour)
        host = f"{OLD}:{old.host.rpartition(':')[2]}"
        ran = command(f"{host}/tkg/antrea:v1", f"{host}/tkg/etcd:v1")
    assert ran.code == code
    assert advised(ran, host)


def test_one_image_of_many_that_was_to_come_from_there(
    command: Command, fake: FakeRegistry
) -> None:
    fake.add("tkg/here", "v1", HERE)
    wanted = (f"{fake.host}/tkg/here:v1", f"{STAGING}/tkg/etcd:v1")
    ran = command(*wanted)
    assert ran.code == 4
    assert advised(ran, STAGING)


@pytest.mark.parametrize("head", ["create", "copy"])
def test_what_was_left_out_for_its_sake_is_not_to_be_mended_otherwise(
    fake: FakeRegistry, tmp_path: Path, head: str
) -> None:
    fake.add("tkg/here", "v1", HERE)
    path = tmp_path / "images.txt"
    path.write_text(f"{fake.host}/tkg/here:v1\n{OLD}/tkg/etcd:v1\n")
    made = ("bundle", "create", "-o", tmp_path / "x.tar")
    line = made if head == "create" else ("copy", f"{fake.host}/air/gap")
    ran = run(*line, "--images", path, *QUICK, "--keep-going")
    assert ran.code == 8
    assert advised(ran, OLD)


def test_a_rewrite_to_elsewhere_ends_the_advice(
    command: Command, fake: FakeRegistry, names: set[str]
) -> None:
    fake.add("tkg/here", "v1", HERE)
    rewrite = ("--rewrite", f"{OLD}={fake.host}")
    ran = command(f"{OLD}/tkg/gone:v1", more=rewrite)
    assert ran.code == 3
    assert NEW not in ran.err
    assert command(f"{OLD}/tkg/here:v1", more=rewrite).code == 0
