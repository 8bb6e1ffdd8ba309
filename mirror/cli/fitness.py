"""What a preflight ends with: the exit code of what it found."""

from __future__ import annotations

from mirror.errors import Fault, Side, Unfit, Unreachable
from mirror.preflight.interface import Status, Verdict
from mirror.preflight.run import Examination

# Checks of the cluster configuration and of AWS, which nobody at the registry can mend.
_INSTALLATION = ("TKG-", "AWS-")


def unfit(found: Examination) -> Fault | None:
    """What a preflight ends with: the registry could not be asked, fails, or neither.

    A failure that was found outweighs what could not be told, unless no question had an answer.
    What nobody could tell about a demand of the reference design is no success; about advice it
    is a warning.
    """
    failed = [each.check.id for each in found.findings if each.status is Status.FAIL]
    unanswered = [each for each in found.unanswered if found.silent or each.check.requirement]
    if found.silent or (unanswered and not failed):
        first = _cause(found)
        what = "the registry could not be asked" if found.silent else "not everything could be told"
        fact = f"{', '.join(each.check.id for each in unanswered)}: {first.summary}"
        host = found.registry.partition("/")[0]
        return Unreachable(Side.DESTINATION, host, what, fact=fact, hint=first.fix)
    if not failed:
        return None
    fault = Unfit(f"{found.registry} is not fit", fact=", ".join(failed))
    if all(name.startswith(_INSTALLATION) and name != "TKG-1" for name in failed):
        fault.whose = "whoever installs TKG"
    return fault


def _cause(found: Examination) -> Verdict:
    """Why the first one that has no answer has none: its own words, or the failure before it."""
    first = found.unanswered[0]
    before = (each for each in found.findings if each.check.id in first.check.needs)
    return next(
        (f.verdict for f in before if f.verdict.status is Status.FAIL and f.verdict.blocks),
        first.verdict,
    )
