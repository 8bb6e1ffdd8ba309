"""REG-7: has the project room for what is to be uploaded?"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from mirror.preflight import harbor_api
from mirror.preflight.harbor_api import UNLIMITED, Quota
from mirror.preflight.interface import Check, Verdict, failed, passed, skipped, untold, warned
from mirror.preflight.presence import present
from mirror.preflight.products import HARBOR, product
from mirror.preflight.project import place
from mirror.preflight.rights import writes
from mirror.preflight.scene import Expected, Scene
from mirror.preflight.standing import harbor_get, standing
from mirror.preflight.writing import Reading
from mirror.settings import QUOTA_SLACK
from mirror.text import human_size


class Need(NamedTuple):
    """Bytes to upload. ``known`` is what of them is there; ``whole`` false: there may be more."""

    missing: int
    known: int
    whole: bool

    def least(self, used: int) -> int:
        """Bytes to upload if all that is unknown of what the project uses were ours."""
        unknown = 0 if self.whole else max(0, used - self.known)
        return max(0, self.missing - unknown)

    def __str__(self) -> str:
        most = "" if self.whole else "at most "
        there = f", {human_size(self.known)} are there" if self.known else ""
        return f"{most}{human_size(self.missing)} to upload{there}"


def need(scene: Scene, expected: Expected) -> Need:
    """What is to be uploaded, each blob once: Harbor's quota counts it once a project."""
    there = present(scene, expected)
    known = sum(size for digest, size in expected.blobs.items() if digest in there.found)
    return Need(sum(expected.blobs.values()) - known, known, there.whole)


def room(scene: Scene) -> Verdict:
    """REG-7. A quota is asked only when bytes come in: 403 in the middle of a push (measured)."""
    expected = scene.question.expected
    if expected is None or not expected.blobs:
        said = "no bundle or plan was given that says how much is to be uploaded"
        return skipped(said, fix="name the bundle that is to be pushed")
    whose = scene.once(standing)
    if not whose.usable:
        return whose.lacking
    if scene.once(writes).reading is not Reading.MAY:
        return untold("cannot be told before REG-4 is mended")
    wanted = need(scene, expected)
    if not wanted.missing:
        return passed("nothing is to be uploaded: all of it is there", str(wanted))
    if scene.once(product).name != HARBOR:
        free = human_size(with_slack(wanted.missing))
        fix = f"see on its host that {free} are free: df -h on the disk that it stores to"
        return warned(f"{wanted}; it does not say what room it has", fix=fix)
    return _by_quota(scene, wanted)


def with_slack(size: int) -> int:
    """Bytes that should be free for so many to upload."""
    return ceil(size * (1 + QUOTA_SLACK))


def _by_quota(scene: Scene, wanted: Need) -> Verdict:
    name = scene.once(place).name
    answer = harbor_get(scene, f"/projects/{name}/summary")
    quota = harbor_api.quota(answer.json()) if answer.status == 200 else None
    if quota is None:
        fix = (
            f"ask a project admin that project {name} has {human_size(with_slack(wanted.missing))}"
        )
        return warned(f"{wanted}; quota not visible to this account", answer.text, fix=fix)
    return judged(name, wanted, quota)


def judged(name: str, wanted: Need, quota: Quota) -> Verdict:
    """Whether a quota has room; pure."""
    if quota.hard == UNLIMITED:
        return passed(f"{wanted}, and project {name} has no quota")
    free = quota.hard - quota.used
    told = f"{wanted}; project {name} has {human_size(max(0, free))} left"
    detail = f"quota {quota.hard} bytes, used {quota.used}, to upload {wanted.missing}"
    if with_slack(wanted.missing) <= free:
        return passed(told, detail)
    enough = human_size(quota.used + with_slack(wanted.missing))
    fix = f"Administration > Project Quotas > {name}: at least {enough}"
    if with_slack(wanted.least(quota.used)) <= free:
        return warned(f"{told}: it may not be enough", detail, fix=fix)
    return failed(f"{told}: too little, with a tenth to spare", detail, fix=fix)


CHECKS = (Check("REG-7", "there is room for what is to be uploaded", room, needs=("API-1",)),)
