"""Measure the tool: `python -m scripts.bench --help`.

Beside it run the floor (bare sockets: the least that must be done), skopeo, and whichever of crane,
imgpkg, oras and regctl are on PATH. Everyone works on the same images, taking turns, so that a
machine that slows down slows all of them; what counts are ratios of medians. Nothing leaves this
machine.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from scripts.bench import machine, plot, readme
from scripts.bench.contenders import Contender
from scripts.bench.peers import PEERS, installed
from scripts.bench.results import Results
from scripts.bench.runner import run
from scripts.bench.scenarios import FULL_MB, SCENARIOS, Scenario, chosen, scaled
from scripts.bench.table import bars, table
from scripts.bench.world import Worlds

__all__ = ["main"]

_LIST = "\n".join(f"  {s.letter}  {s.title}{f' ({s.note})' * bool(s.note)}" for s in SCENARIOS)


def main() -> None:
    """Seed, run the rounds, print the tables."""
    given = _arguments()
    if given.publish or given.plot:
        plot.require()
    scenarios = scaled(given.scenario, given.mb, given.rounds, given.peer_rounds)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=given.scratch) as scratch:
        _refuse_small_disk(Path(scratch), scenarios)
        peers, named = installed(given.peers), given.peers is not None
        results = _measured(scenarios, Path(scratch), given.jobs, peers, named=named)
    print(bars(results))
    if given.json:
        results.write(given.json)
    if given.plot:
        plot.draw(results, given.plot)
    if given.publish:
        results.write(readme.JSON)
        readme.publish()


def _measured(
    scenarios: Sequence[Scenario],
    scratch: Path,
    jobs: int,
    peers: Sequence[Contender],
    *,
    named: bool,
) -> Results:
    """Run one scenario after the other; peers that are ``named`` take part in all of them."""
    names = [peer.name for peer in peers]
    day = datetime.now(UTC).date().isoformat()
    results = Results(day, machine.described(scratch), machine.programs(names))
    worlds = Worlds(scratch / "worlds")
    for scenario in scenarios:
        print(f"{scenario.letter}  {scenario.title}", flush=True)
        among = [peer for peer in peers if named or peer.name not in scenario.without]
        if len(among) < len(peers):
            left = " and ".join(scenario.without)
            scenario = replace(scenario, note=f"without {left}: each image would be a process")
        told = run(scenario, worlds.get(scenario), scratch, jobs, among)
        results.scenarios.append(told)
        print(f"\n{table(told)}\n", flush=True)
    return results


def _refuse_small_disk(scratch: Path, scenarios: Sequence[Scenario]) -> None:
    """Leave at once where the disk cannot hold all worlds, and six times the largest."""
    worlds = {(s.world, s.images, s.mb) for s in scenarios}
    needed = sum(mb for *_, mb in worlds) + 6 * max(mb for *_, mb in worlds)
    free = shutil.disk_usage(scratch).free // 10**6
    if free < needed:
        sys.exit(f"error: {needed} MB are needed and {free} MB are free; see --scratch and --mb")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench",
        description=__doc__,
        epilog=f"The scenarios:\n{_LIST}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    every = ",".join(scenario.letter for scenario in SCENARIOS)
    parser.add_argument("--scenario", default=every, metavar="LETTERS", help="as in a,b,f")
    size = f"megabytes of scenario a; the others, and all images, shrink with it ({FULL_MB})"
    parser.add_argument("--mb", type=int, default=FULL_MB, help=size)
    parser.add_argument("--rounds", type=int, help="of the tool and the floor; else as each needs")
    often = "of the others, who are slower by far; else 1"
    parser.add_argument("--peer-rounds", type=int, metavar="ROUNDS", help=often)
    who = ",".join(peer.name for peer in PEERS)
    parser.add_argument("--peers", metavar="NAMES", help=f"some of {who}; default: all on PATH")
    parser.add_argument("--jobs", type=int, default=4, help="threads of the floor (4)")
    parser.add_argument("--scratch", type=Path, help="a directory for everything that is made")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw them, as PNG")
    parser.add_argument(
        "--publish", action="store_true", help="renew docs/ and the README's tables"
    )
    given = parser.parse_args()
    try:
        given.scenario = chosen(given.scenario)
    except ValueError as cause:
        parser.error(f"--scenario: {cause}")
    given.peers = None if given.peers is None else given.peers.split(",")
    there = {peer.name for peer in installed(given.peers)}
    if missing := set(given.peers or ()) - there - {""}:
        parser.error(f"--peers: {', '.join(sorted(missing))} is not on PATH, or not one of {who}")
    return given


if __name__ == "__main__":
    main()
