"""What verdicts have in common: numbers as people write them, and advice that fits a preflight."""

from __future__ import annotations

import pytest

from mirror.errors import Full, IntegrityFault, Misbehaved, RegistryFault, Side, Unreachable
from mirror.preflight.interface import Check, Verdict
from mirror.preflight.run import Rules, examine
from mirror.preflight.scene import Scene
from mirror.preflight.wording import advice, are, counted, every
from tests.fakes.simple import FakeRegistry
from tests.mirror.preflight.looking import APP, bundle_of, fill, look
from tests.mirror.preflight.strangers import scene_of


@pytest.mark.parametrize(
    ("count", "found"),
    [
        (0, ("0 indexes", "all 0 indexes", "are")),
        (1, ("1 index", "the only index", "is")),
        (2, ("2 indexes", "all 2 indexes", "are")),
    ],
)
def test_one_is_no_plural(count: int, found: tuple[str, str, str]) -> None:
    told = counted(count, "index", "indexes"), every(count, "index", "indexes"), are(count)
    assert told == found
    assert counted(count, "image") == f"{count} image{'' if count == 1 else 's'}"


def test_one_image_is_spoken_of_as_one(fake: FakeRegistry) -> None:
    fill(fake, {"app:v1": APP})
    said = look(fake, bundle_of({"app:v1": APP}))
    told = {name: finding.verdict.summary for name, finding in said.items()}
    assert told["IMG-1"] == "the only image of tkg.tar is there for anybody to pull"
    assert told["IMG-2"] == "the only image has the digest of tkg.tar"
    assert not [summary for summary in told.values() if "all 1 " in summary]


@pytest.mark.parametrize("kind", [Unreachable, Full, Misbehaved])
def test_no_advice_speaks_of_going_on(kind: type[RegistryFault]) -> None:
    fault = kind(Side.DESTINATION, "r.example", "cannot ask")

    def raising(_scene: Scene) -> Verdict:
        raise fault

    with scene_of("127.0.0.1:1/tkg") as scene:
        (finding,) = examine(scene, [Check("NET-9", "x", raising)], Rules()).findings
    assert finding.verdict.unknown
    assert finding.verdict.fix == advice(fault)
    assert advice(fault)
    assert "goes on" not in advice(fault)


def test_a_hint_of_the_faults_own_is_kept() -> None:
    fault = Unreachable(Side.DESTINATION, "r.example", "cannot ask", hint="wait 7 s")
    assert advice(fault) == "wait 7 s"


def test_changed_bytes_are_no_matter_of_carrying_again() -> None:
    fault = IntegrityFault("x", member="m", expected="a", got="b")
    assert "carry" not in advice(fault)
