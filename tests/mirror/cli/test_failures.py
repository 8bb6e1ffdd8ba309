"""Every fault has an exit code of the contract and a message of four parts."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import h11
import pytest
import typer

from bom.errors import BomFault, Fault, InputFault, ReferenceFault
from mirror import errors
from mirror.cli.failures import exit_code, explain, reported
from mirror.cli.options import Format, LogLevel, OutputOptions
from mirror.settings import MAX_CAUSES_SHOWN
from tests.flows.cli import run

HERE = errors.Side.SOURCE
BYTES = {"member": "blob sha256:1", "expected": "sha256:1", "got": "sha256:2"}


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """A command takes both signals over; what pytest does with them comes back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


CODES = [
    (Fault("a bug"), 1),
    (errors.UsageFault("two options"), 2),
    (InputFault("a list"), 3),
    (BomFault("f.yaml", 3, "a.b", expected="x", found="y"), 3),
    (ReferenceFault("x y", 1, "a blank"), 3),
    (errors.NotFound(HERE, "h", "no such tag"), 3),
    (errors.NoPlatform(HERE, "h", "no image for linux/arm64"), 3),
    (errors.BundleFault("not whole", **BYTES), 3),
    (errors.Unreachable(HERE, "h", "no answer"), 4),
    (errors.Full(HERE, "h", "no space left on device"), 4),
    (errors.Untrusted(HERE, "h", "unknown CA"), 4),
    (errors.Misbehaved(HERE, "h", "nonsense"), 4),
    (errors.Incomplete(HERE, "h", "lacks a blob"), 4),
    (errors.Refused(HERE, "h", "401"), 5),
    (errors.IntegrityFault("wrong bytes", **BYTES), 6),
    (errors.TagTaken("h", [("p:t", "sha256:1", "sha256:2")]), 6),
    (errors.Unfit("not fit"), 7),
    (errors.PartialRun("some failed"), 8),
    (errors.MachineFault("disk full"), 9),
    (errors.Interrupted("stopped"), 130),
]


@pytest.mark.parametrize(("fault", "code"), CODES, ids=lambda value: type(value).__name__)
def test_each_kind_of_fault_has_its_code(fault: Fault, code: int) -> None:
    assert exit_code(fault) == code


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_trace_has_places_and_causes_and_no_words_of_an_http_library(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(output: OutputOptions) -> None:
        password = "canary-8d1e"
        try:
            raise h11.RemoteProtocolError(f"illegal header line: {password}")
        except h11.RemoteProtocolError as cause:
            raise errors.Unreachable(HERE, "h", "no answer", fact="masked") from cause

    output = OutputOptions(log_level=LogLevel.DEBUG, log_format=Format(form))
    with pytest.raises(typer.Exit) as ended:
        reported(fails, {"output": output}, "run")
    told = capsys.readouterr().err
    assert ended.value.exit_code == 4
    assert "RemoteProtocolError" in told
    assert "in fails" in told
    assert "Unreachable: no answer: masked" in told
    assert "canary" not in told
    if form == "json":
        levels = [json.loads(line)["level"] for line in told.splitlines()]
        assert levels == ["debug", "error"]


def all_kinds(kind: type[Fault]) -> set[type[Fault]]:
    return {kind}.union(*(all_kinds(below) for below in kind.__subclasses__()))


def test_no_kind_of_fault_is_forgotten() -> None:
    tried = {type(fault) for fault, _code in CODES}
    # These two are never raised by themselves or have a code that follows from their causes.
    left = all_kinds(Fault) - tried - {errors.RegistryFault, errors.Unresolved}
    assert {kind.__name__ for kind in left} <= {"ListFault"}


@pytest.mark.parametrize(("fault", "_code"), CODES, ids=lambda value: type(value).__name__)
def test_a_message_says_what_failed_whose_matter_it_is_and_what_is_next(
    fault: Fault, _code: int
) -> None:
    text = explain(fault)
    assert text.startswith(f"error: {fault.what}")
    assert f"whose matter: {fault.whose}" in text
    assert "\n  next: " in text or type(fault) is Fault


def test_of_several_causes_the_one_to_deal_with_first_makes_the_code() -> None:
    missing = errors.NotFound(HERE, "h", "no such tag")
    refused = errors.Refused(HERE, "h", "401")
    silent = errors.Unreachable(HERE, "h", "no answer")
    assert exit_code(errors.Unresolved([("a", missing)])) == 3
    assert exit_code(errors.Unresolved([("a", missing), ("b", refused)])) == 5
    assert exit_code(errors.Unresolved([("a", refused), ("b", silent)])) == 4


def test_an_image_without_the_wanted_platform_is_the_command_lines_matter() -> None:
    other = errors.NoPlatform(HERE, "h", "no image for linux/arm64")
    fault = errors.Unresolved([("a", errors.NotFound(HERE, "h", "no such tag")), ("b", other)])
    assert (exit_code(fault), fault.whose) == (3, "the command line")
    assert "--platform" in fault.hint


def test_a_fault_that_breaks_many_is_told_once_and_thousands_are_counted() -> None:
    missing = errors.NotFound(HERE, "h", "cannot get a", fact="no such tag")
    told = errors.Unresolved([("a", missing), ("bundle", missing)]).fact.splitlines()
    assert told == ["a: no such tag", "bundle: it needs a"]
    many: list[tuple[str, Fault]] = [
        (f"i{n}", errors.NotFound(HERE, "h", f"cannot get i{n}")) for n in range(5_000)
    ]
    lines = errors.Unresolved(many).fact.splitlines()
    assert len(lines) == MAX_CAUSES_SHOWN + 1
    assert lines[-1].startswith(f"and {5_000 - MAX_CAUSES_SHOWN} more")
    taken = [(f"p:t{n:04}", "sha256:1", "sha256:2") for n in range(5_000)]
    lines = errors.TagTaken("h", taken).fact.splitlines()
    assert lines[-1] == f"and {5_000 - MAX_CAUSES_SHOWN} more"


@pytest.mark.parametrize("command", ["show", "verify"])
def test_a_bundle_that_is_not_there_was_not_damaged(tmp_path: Path, command: str) -> None:
    ran = run("bundle", command, tmp_path / "none.tar")
    assert ran.code == 3
    assert "error: no such bundle" in ran.err
    assert "damaged" not in ran.err
