"""What a preflight is told to look for: a bundle, BOM files or a plan, one of the three."""

from __future__ import annotations

from pathlib import Path

from mirror.cli.inputs import read_inputs
from mirror.cli.options import Inputs
from mirror.errors import UsageFault
from mirror.preflight.expected import of_boms, of_bundle, of_plan
from mirror.preflight.scene import Expected

_HINT = "a bundle says most of all; leave the others out"


def read_expected(
    bundle: Path | None, bom: list[str] | None, plan: str | None, *, deep: bool
) -> Expected | None:
    """What the options name, None where they name nothing.

    Raises UsageFault where they contradict each other, InputFault or BundleFault for a wrong file.
    """
    options = {"--bundle": bundle, "--bom": bom, "--plan": plan}
    given = [name for name, value in options.items() if value]
    if len(given) > 1:
        raise UsageFault("what to look for is said twice", fact=" and ".join(given), hint=_HINT)
    if deep and not given:
        fact = "--deep needs --bundle, --bom or --plan"
        raise UsageFault("nothing was given that could be read", fact=fact)
    if bundle:
        return of_bundle(bundle)
    if not given:
        return None
    wanted = read_inputs(Inputs(bom=bom, plan=plan))
    if bom:
        return of_boms(bom, wanted.images)
    members, platforms = wanted.members or {}, wanted.platforms or ()
    return of_plan(plan or "", wanted.images, wanted.pins, members, platforms)
