"""How time and memory grow with images: `python -m scripts.bench.scale --help`.

A tenth of the images is carried first, then all of them: 1,000 images with 10,000 blobs, and 10,000
with 100,000, all tiny, so that nothing counts but their number. The source is a real registry. Each
step may take ten times as long for ten times as much, and no more; judged is the processor's time,
since the clock's depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from scripts.bench.measure import Sample, measure
from scripts.bench.tiny import FAR, repository
from scripts.world.registry import Registry

__all__ = ["TIMES", "growth", "main", "text"]

TIMES = 10
# Seconds that a step may take at all: 110,000 requests took ten minutes on a machine that was busy.
LIMIT_SECONDS = 3600.0
# What noise may add before growth counts as faster than linear.
NOISE = 1.1
Samples = Mapping[str, Sample]


def main() -> None:
    """Seed, carry a tenth, carry everything, print both and their ratios."""
    given = _arguments()
    with tempfile.TemporaryDirectory(prefix="scale-", dir=given.scratch) as folder:
        scratch = Path(folder)
        storage = scratch / "storage"
        print(f"seed {given.images:,} images of {given.blobs} blobs", flush=True)
        seed = [sys.executable, "-m", "scripts.bench.tiny", "--images", str(given.images)]
        seed += ["--blobs", str(given.blobs), "--storage", str(storage)]
        subprocess.run(seed, check=True)
        with Registry(storage) as registry:
            few = _carried(registry, given.images // TIMES, scratch, push=given.push)
            many = _carried(registry, given.images, scratch, push=given.push)
    print(f"\n{text(given.images, given.blobs, few, many)}")
    if given.json:
        runs = {str(n): s for n, s in ((given.images // TIMES, few), (given.images, many))}
        lean = {n: {step: _lean(s) for step, s in found.items()} for n, found in runs.items()}
        given.json.write_text(json.dumps(lean, indent=1) + "\n")


def growth(few: Sample, many: Sample) -> float:
    """Return how many times as much processor time the larger run took."""
    return many.cpu / few.cpu


def text(images: int, blobs: int, few: Samples, many: Samples) -> str:
    """Return the table: a line a step."""
    sizes = " and ".join(f"{n:,} images ({n * blobs:,} blobs)" for n in (images // TIMES, images))
    columns = f"{'seconds':>17} {'cpu s':>15} {'grows':>7} {'peak MB':>13} {'requests':>16}"
    lines = [f"{sizes}: {TIMES} times as many", f"  {'':12} {columns}"]
    return "\n".join([*lines, *(_row(step, few[step], many[step]) for step in many)])


def _row(step: str, few: Sample, many: Sample) -> str:
    if failed := few.error or many.error:
        return f"  {step:12} failed: {' '.join(failed.split())}"
    times = growth(few, many)
    pairs = (
        f"{few.seconds:8.2f} {many.seconds:8.2f}",
        f"{few.cpu:7.2f} {many.cpu:7.2f} {times:7.1f}",
        f"{few.peak_mb:6.0f} {many.peak_mb:6.0f} {few.requests:8,} {many.requests:8,}",
    )
    verdict = "" if times <= TIMES * NOISE else "  FASTER THAN LINEAR"
    return f"  {step:12} {' '.join(pairs)}{verdict}"


def _carried(registry: Registry, images: int, scratch: Path, *, push: bool) -> Samples:
    bundle, listed, plan = (scratch / f"{images}.{end}" for end in ("tar", "txt", "json"))
    names = (f"{registry.host}/{repository(n)}:v1\n" for n in range(images))
    listed.write_text("".join(names))
    given = ["--images", str(listed), "--plain-http"]
    commands = {
        "plan": ["plan", *given, "-o", str(plan)],
        "create": ["create", *given, "-o", str(bundle)],
        "show": ["show", str(bundle)],
        "verify": ["verify", str(bundle)],
        "push again": ["push", str(bundle), f"{registry.host}/{FAR}", "--plain-http"],
    }
    if push:
        where = f"{registry.host}/new-{images}"
        commands["push"] = ["push", str(bundle), where, "--plain-http"]
    samples = {}
    for step, command in commands.items():
        samples[step] = _run(command, scratch, registry)
        said = samples[step].error or f"{samples[step].seconds:.2f} s"
        print(f"  {images:,} images, {step}: {said}", flush=True)
    return samples


def _run(command: Sequence[str], scratch: Path, registry: Registry) -> Sample:
    line = [sys.executable, "-m", "mirror", "bundle", *command, "--format", "json"]
    return measure(line, scratch, asked=registry.asked, limit=LIMIT_SECONDS)


def _lean(sample: Sample) -> dict[str, object]:
    return {name: value for name, value in asdict(sample).items() if name != "output"}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench.scale", description=__doc__)
    parser.add_argument("--images", type=int, default=10_000, help="of the larger run (10000)")
    parser.add_argument("--blobs", type=int, default=10, help="of each image (10)")
    parser.add_argument("--push", action="store_true", help="to an empty project too: half an hour")
    parser.add_argument("--scratch", type=Path, help="a directory with 5 GB of free space")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
