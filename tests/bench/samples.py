"""Results as a bench would have them, made up."""

from __future__ import annotations

from scripts.bench.contenders import FLOOR, TOOL
from scripts.bench.measure import Sample
from scripts.bench.results import Results, Told

MACHINE = {
    "cpu": "Example 9000",
    "cores": "2",
    "memory": "24 GiB",
    "disk": "ext4",
    "system": "Debian GNU/Linux 12",
    "kernel": "6.1.0",
    "python": "3.11.2",
}


def sample(seconds: float, **more: object) -> Sample:
    return Sample(**{"seconds": seconds, "cpu": 1.0, "peak_mb": 50.0, **more})  # type: ignore[arg-type]


def told(letter: str = "a", mb: int = 2000) -> Told:
    facts = {"images": 60, "blobs": 207, "mb": mb, "jobs": 4, "rounds": 3, "peer_rounds": 1}
    told = Told(letter, "few large images", facts=facts)
    for seconds in (2.0, 9.0, 2.5):
        told.add("create", FLOOR, sample(seconds, cpu=4.0, requests=291))
        told.add("create", TOOL, sample(round(seconds * 1.2, 3), requests=360, moved=2_000_000_000))
    told.add("create", "skopeo", sample(24.0, requests=350))
    told.add("create", "crane", sample(0.1, error="exit 1: no such host"))
    told.add("verify", FLOOR, sample(2.0, own=1.9))
    told.add("verify", TOOL, sample(3.0, own=2.0))
    return told


def results(*scenarios: Told) -> Results:
    programs = {"tkg-mirror": "0.1.0", "skopeo": "1.9.3"}
    return Results("2025-06-01", MACHINE, programs, list(scenarios or [told()]))
