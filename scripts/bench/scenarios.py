"""What is measured: eight situations with their worlds, steps and surroundings (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

__all__ = ["FULL_MB", "SCENARIOS", "STEPS", "Scenario", "chosen", "scaled"]

STEPS = ("create", "verify", "show", "push", "push again")
# What `--mb` is a share of: the megabytes of the first scenario, with which the others shrink.
FULL_MB = 2000


@dataclass(frozen=True)
class Scenario:
    """One situation. ``world`` names a kind of `scripts.bench.worlds`, ``mb`` are unique megabytes.

    Rounds are told apart: the tool and the floor are compared closely and take seconds, the others
    are slower by far and need one look.
    """

    letter: str
    title: str
    world: str
    images: int
    mb: int
    steps: tuple[str, ...] = STEPS
    rounds: int = 2
    peer_rounds: int = 1
    tls: bool = False
    link: bool = False
    """Registries lie at the end of a long, thin link."""
    slow_disk: bool = False
    grown: bool = False
    """Nine tenths of the bytes were carried by an earlier run of the same contender."""
    variants: tuple[tuple[str, ...], ...] = ()
    """Options with which the tool runs once more, each."""
    without: tuple[str, ...] = ()
    """Who does not run, unless asked for by name: it would take longer than all the others."""
    note: str = ""


SCENARIOS = (
    Scenario("a", "few large images", "few", 60, 2000, rounds=3),
    Scenario(
        "b",
        "many small images",
        "small",
        968,
        100,
        # A process an image, and for regctl a look at all earlier ones: a quarter of the images
        # took it four times as long to create as the tool, all of them would take 16 times that.
        without=("oras", "regctl"),
    ),
    Scenario(
        "c",
        "300 images on ten bases",
        "sharing",
        300,
        500,
        variants=(("--no-referrers",),),
        note="the tool looks for signatures, one request a repository; without, --no-referrers",
    ),
    Scenario("d", "one blob of 4 GB", "one", 1, 4000, rounds=1),
    Scenario("e", "few large images, under TLS", "few", 60, 600, tls=True),
    Scenario(
        "f",
        "a long, thin link",
        "few",
        6,
        120,
        ("create", "push", "push again"),
        # Sleeping takes the same time in every round.
        rounds=1,
        link=True,
        variants=(("--ranges", "4"), ("-j", "16")),
        note="40 ms each way, 8 MB/s a connection; 4 connections, one a blob, are the default and "
        "the floor's, imgpkg has 16",
    ),
    Scenario(
        "g",
        "a slow disk",
        "few",
        60,
        300,
        ("create", "verify", "show", "push"),
        slow_disk=True,
        note="100 MB/s for whoever is measured, by cgroup; a create ends when all is on the disk",
    ),
    Scenario(
        "h",
        "nine tenths are there already",
        "few",
        60,
        600,
        ("create", "push"),
        rounds=1,
        grown=True,
        note="a bundle is written whole again; who keeps a layout adds to it",
    ),
)


def chosen(letters: str) -> list[Scenario]:
    """Return the scenarios of "a,b,f"; ValueError where there is no such one."""
    known = {scenario.letter: scenario for scenario in SCENARIOS}
    wanted = [letter.strip() for letter in letters.split(",") if letter.strip()]
    if not wanted or set(wanted) - known.keys():
        raise ValueError(f"scenarios are {','.join(known)}")
    return [known[letter] for letter in known if letter in wanted]


def scaled(
    scenarios: Iterable[Scenario],
    megabytes: int,
    rounds: int | None = None,
    peer_rounds: int | None = None,
) -> list[Scenario]:
    """Shrink bytes and images by one share; a world keeps what makes it that world.

    ``rounds`` and ``peer_rounds`` are used in place of each scenario's own.
    """
    share = megabytes / FULL_MB
    smaller = [_scaled(scenario, share) for scenario in scenarios]
    return [_repeated(scenario, rounds, peer_rounds) for scenario in smaller]


def _repeated(scenario: Scenario, rounds: int | None, peer_rounds: int | None) -> Scenario:
    times = scenario.rounds if rounds is None else rounds
    of_peers = scenario.peer_rounds if peer_rounds is None else peer_rounds
    return replace(scenario, rounds=times, peer_rounds=min(times, of_peers))


def _scaled(scenario: Scenario, share: float) -> Scenario:
    least = {"few": 6, "small": 20, "sharing": 20, "one": 1}[scenario.world]
    # A larger world has the same images, which are larger.
    images = max(round(scenario.images * min(share, 1)), min(least, scenario.images))
    megabytes = max(round(scenario.mb * share), 1)
    title = (
        scenario.title if share == 1 else scenario.title.replace("of 4 GB", f"of {megabytes} MB")
    )
    title = title if share == 1 else title.replace("300 images", f"{images} images")
    return replace(scenario, images=images, mb=megabytes, title=title)
