"""Results for people: plain text that reads the same in a terminal, a file and an e-mail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mirror.bundle.damage import Damage
from mirror.bundle.inventory import Head, Listed
from mirror.report.run import RunReport
from mirror.text import human_size, printable


def run(report: RunReport, done: str) -> str:
    """What a create or push did; ``done`` names its product."""
    statuses = [image.status for image in report.images]
    counted = ", ".join(
        f"{statuses.count(status)} {status}" for status in dict.fromkeys(sorted(statuses))
    )
    lines = [
        f"{report.result}: {done}",
        f"  images    {len(statuses)}" + (f" ({counted})" if counted else ""),
        f"  moved     {human_size(report.moved)}",
    ]
    if report.skipped:
        lines.append(f"  skipped   {human_size(report.skipped)}, there already")
    if report.mounted:
        lines.append(f"  mounted   {human_size(report.mounted)}, taken over inside the registry")
    lines.append(f"  time      {report.seconds:.1f} s, {report.requests} requests")
    lines += [f"warning: {printable(notice)}" for notice in report.notices]
    lines += [f"failed: {i.reference}: {printable(i.reason)}" for i in report.failed]
    return "\n".join(lines)


def plan(document: Mapping[str, Any]) -> str:
    """What a create would do."""
    sums = document["totals"]
    lines = [
        f"images         {sums['images']}",
        f"unique blobs   {sums['blobs']}",
        f"to move        {human_size(sums['bytes'])}",
        f"saved          {human_size(sums['shared'])}, shared between images",
        f"disk needed    {human_size(sums['disk'])}",
    ]
    lines += [f"warning: {each} is not at the source; left out" for each in document["absent"]]
    return "\n".join(lines)


def bundle(head: Head, file: str, there: int) -> str:
    """What a bundle says it holds; ``there`` is how many bytes its file has."""
    damaged = f"  damaged  {there} of {head.length} bytes: bundle verify tells more"
    lines = [
        f"{file}, {human_size(head.length)}",
        *([damaged] * (there != head.length)),
        f"  source   {printable(head.source)}",
        *(f"  BOM      {printable(f'{b.kind} {b.release} {b.sha256}')}" for b in head.boms),
        f"  images   {len(head.images)}",
        f"  blobs    {head.blobs}, {human_size(head.size)}",
        *(f"  only     {platform}, of every index" for platform in head.platforms),
        "",
    ]
    rows = [("path", "tag", "kind", "digest")]
    rows += [(i.path, i.tag or "", _kind(i), str(i.descriptor.digest)) for i in head.images]
    return "\n".join([*lines, *_columns(rows)])


def _kind(image: Listed) -> str:
    """What it is, and of an imgpkg bundle how many images it locks."""
    return f"{image.kind} of {len(image.members)}" if image.members else image.kind


def verify(damages: Sequence[tuple[str, Damage]], size: int, seconds: float) -> str:
    """What is wrong with some bundles, everything of it."""
    rate = human_size(int(size / max(seconds, 0.001)))
    checked = f"{human_size(size)} checked in {seconds:.1f} s ({rate}/s)"
    if not damages:
        return f"ok: {checked}"
    lines = [f"failed: {len(damages)} fault{'s' if len(damages) > 1 else ''}, {checked}"]
    lines += [
        f"  {file}: {d.kind}: {d.member}: expected {d.expected}, got {printable(d.got)}"
        for file, d in damages
    ]
    return "\n".join(lines)


def variables(values: Mapping[str, str]) -> str:
    """A block to paste into a shell before ``tanzu`` is called."""
    return "\n".join(f'export {name}="{value}"' for name, value in values.items())


def _columns(rows: Iterable[Sequence[str]]) -> list[str]:
    table = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in table
    ]
