"""Keeps the README's figures those of docs/bench.json: `python -m scripts.bench.readme`.

They stand between two markers, and a test compares them. docs/bench.png is drawn from the same
file, and carries its checksum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from scripts.bench import plot
from scripts.bench.contenders import FLOOR, TOOL
from scripts.bench.measure import Sample
from scripts.bench.results import Results, Told, sort_key
from scripts.bench.scenarios import FULL_MB

__all__ = ["JSON", "PNG", "README", "block", "held", "main", "publish", "renewed"]

ROOT = Path(__file__).parent.parent.parent
README, JSON, PNG = ROOT / "README.md", ROOT / "docs" / "bench.json", ROOT / "docs" / "bench.png"
BEGIN = "<!-- figures of docs/bench.json, written by python -m scripts.bench.readme -->\n"
END = "<!-- end of figures -->\n"
LEFT, RIGHT = ":---", "---:"


def block(results: Results) -> str:
    """Return what stands between the markers."""
    parts = [_where(results), _picture(), _seconds(results), _effort(results), _words(results)]
    return "\n".join(part for part in parts if part)


def held(text: str) -> str:
    """Return what a README has between the markers; ValueError where it has none."""
    return text[text.index(BEGIN) + len(BEGIN) : text.index(END)]


def renewed(text: str, results: Results) -> str:
    """Return a README with these results between the markers."""
    return text.replace(BEGIN + held(text) + END, BEGIN + block(results) + END)


def publish() -> None:
    """Draw docs/bench.json, and write its figures into the README."""
    results = Results.read(JSON)
    plot.draw(results, PNG)
    README.write_text(renewed(README.read_text("utf-8"), results), "utf-8")
    print(f"README.md and {PNG.name} have the figures of {results.date}")


def _where(results: Results) -> str:
    on = results.machine
    cores = "one core" if on["cores"] == "1" else f"{on['cores']} cores"
    with_ = ", ".join(f"{name} {version}" for name, version in results.programs.items())
    return (
        f"Measured on {results.date}: {on['cpu']}, {cores}, {on['memory']}, {on['disk']}, "
        f"{on['system']}, Linux {on['kernel']}, Python {on['python']}; {with_}.{_quick(results)}\n"
    )


def _quick(results: Results) -> str:
    """Say so where the worlds were smaller than they should be."""
    if all(told.facts["mb"] >= FULL_MB * 0.9 for told in results.scenarios if told.letter == "a"):
        return ""
    return " **This was a quick look: in worlds so small, the start of each program counts most.**"


def _picture() -> str:
    words = "Times of all programs as multiples of tkg-mirror's, by scenario and step"
    return f"![{words}](docs/{PNG.name})\n"


def _seconds(results: Results) -> str:
    """Return the table of seconds: a row a step, a column a contender."""
    everyone = {who for told in results.scenarios for step in told.runs for who in told.who(step)}
    columns = sorted(everyone, key=sort_key)
    head = ["seconds (medians)", *columns]
    head.insert(columns.index(TOOL) + 2 if TOOL in columns else 1, "x floor")
    return _table(head, _second_rows(results, head[1:]))


def _second_rows(results: Results, columns: Sequence[str]) -> Iterator[list[str]]:
    for told in results.scenarios:
        yield [f"**{told.letter}** {told.title}: {told.sizes}", *("" for _ in columns)]
        for step in told.runs:
            yield [step, *(_second(told, step, column) for column in columns)]


def _second(told: Told, step: str, column: str) -> str:
    if column == "x floor":
        ratio = told.ratio(step, TOOL, FLOOR)
        return f"{ratio:.2f}" if ratio else ""
    seconds = told.seconds(step, column)
    if seconds is None:
        return "failed" if column in told.who(step) else ""
    return f"**{seconds:.2f}**" if column == TOOL else f"{seconds:.2f}"


def _effort(results: Results) -> str:
    """Return the table of what the tool and the floor take besides time."""
    head = ["tkg-mirror (floor)", "CPU s", "peak MB", "requests", "MB moved"]
    rows = (
        [f"{told.letter} {step}", *_efforts(told, step)]
        for told in results.scenarios
        for step in told.runs
        if told.good(step, TOOL)
    )
    summary = "What it takes besides time: processor, memory, requests"
    return f"<details><summary>{summary}</summary>\n\n{_table(head, rows)}\n</details>\n"


def _efforts(told: Told, step: str) -> list[str]:
    own, floor = told.good(step, TOOL), told.good(step, FLOOR)
    moved = [s.moved for s in own if s.moved is not None]
    asked = any(s.requests for s in own)
    return [
        _both(own, floor, "cpu", ".1f"),
        _both(own, floor, "peak_mb", ".0f"),
        _both(own, floor, "requests", ",.0f") if asked else "",
        f"{median(moved) / 1e6:,.0f}" if moved else "",
    ]


def _both(own: Sequence[Sample], floor: Sequence[Sample], name: str, form: str) -> str:
    figure, least = (
        format(median(getattr(s, name) for s in found), form) if found else ""
        for found in (own, floor)
    )
    return f"{figure} ({least})" if least else figure


def _words(results: Results) -> str:
    lines = [
        f"{told.letter} is skipped: {told.skipped}." for told in results.scenarios if told.skipped
    ]
    lines += [f"{told.letter}: {told.note}." for told in results.scenarios if told.note]
    return "\n".join(f"- {line}" for line in lines) + "\n" if lines else ""


def _table(head: Sequence[str], rows: Iterator[list[str]]) -> str:
    lines = [head, [LEFT, *(RIGHT for _ in head[1:])], *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main() -> None:
    """Renew both."""
    publish()


if __name__ == "__main__":
    main()
