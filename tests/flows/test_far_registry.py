"""A registry at the end of a long link: what is to be moved begins at once, not four by four."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mirror.transfer import level
from tests.fakes.behaviours import Go
from tests.fakes.message import Reply, Request
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import listed, run, stock

IMAGES = 8
QUICK = ("--plain-http", "--retries", 0)


@pytest.fixture(autouse=True)
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever time an answer takes here, it is called long."""
    monkeypatch.setattr(level, "LONG_WAIT", 1e-9)


def together(fake: FakeRegistry, method: str, pattern: str) -> threading.Barrier:
    """Answer the first IMAGES requests only once all of them are there."""
    crowd = threading.Barrier(IMAGES)

    def wait(_request: Request, go: Go) -> Reply:
        crowd.wait(10)
        return go()

    fake.on(method, pattern, wait, nth=range(1, IMAGES + 1))
    return crowd


def test_a_create_a_push_and_a_copy_begin_with_all_transfers(
    fake: FakeRegistry, tmp_path: Path
) -> None:
    images, bundle, plan = listed(fake, stock(fake, IMAGES), tmp_path), "x.tar", tmp_path / "p"
    plan.write_text(run("bundle", "plan", "--images", images, *QUICK, "--format", "json").out)
    # From a plan, so that the first blobs that are asked for are those that are carried.
    crowds = [together(fake, "GET", "/blobs/")]
    made = run("bundle", "create", "--plan", plan, "-o", tmp_path / bundle, *QUICK)
    assert made.code == 0, made.err
    with FakeRegistry() as other:
        crowds.append(together(other, "PUT", "/p/.*/blobs/"))
        pushed = run("bundle", "push", tmp_path / bundle, f"{other.host}/p", *QUICK)
        assert pushed.code == 0, pushed.err
        crowds.append(together(other, "PUT", "/q/.*/blobs/"))
        copied = run("copy", f"{other.host}/q", "--plan", plan, *QUICK)
        assert copied.code == 0, copied.err
    assert not any(crowd.broken for crowd in crowds), "fewer came at a time"
