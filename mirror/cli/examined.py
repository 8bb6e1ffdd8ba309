"""What a preflight goes by and what it leaves behind: a result, and with --report a page."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bom.errors import starred
from mirror.cli.fitness import unfit
from mirror.cli.options import Format, OutputOptions, RegistryOptions
from mirror.cli.preflight_options import ExpectedOptions, JudgingOptions
from mirror.cli.streams import coloured, print_result, width
from mirror.errors import Fault, MachineFault, UsageFault
from mirror.files import refuse_taken, write_record
from mirror.preflight import nodetest
from mirror.preflight.run import Examination
from mirror.preflight.scene import Question
from mirror.report import json, preflight
from mirror.report.circumstances import (
    Circumstances,
    Given,
    circumstances,
    given_bundle,
    given_file,
)
from mirror.report.layout import WIDTH
from mirror.report.preflight_text import Look, text


def handed_in(wanted: ExpectedOptions) -> Iterator[Given]:
    """The files that say what is expected, each with its digest."""
    if wanted.bundle:
        yield given_bundle(wanted.bundle)
    for each in wanted.bom or ():
        yield given_file("BOM", Path(each))
    if wanted.plan:
        yield given_file("plan", Path(wanted.plan))
    if wanted.cluster_config:
        yield given_file("cluster configuration", wanted.cluster_config)


def refuse_page(
    page: Path, wanted: ExpectedOptions, registry: RegistryOptions, *, force: bool
) -> None:
    """The fault of a page that cannot be written, before anything is asked.

    ``--force`` is for an older report: a bundle or key that was handed in is never replaced.
    """
    files = (wanted.bundle, *(wanted.bom or ()), wanted.plan, wanted.cluster_config)
    secrets = (registry.cert_file, registry.key_file, registry.registry_config)
    for each in filter(None, (*files, *(registry.ca_file or ()), *secrets)):
        if page.exists() and Path(each).exists() and page.samefile(each):
            what = "the report would replace what was handed in"
            raise UsageFault(what, fact=f"--report {page}", hint="choose another name")
    refuse_taken(page, force=force)


def going_by(
    dest: str, wanted: ExpectedOptions, judging: JudgingOptions, registry: RegistryOptions
) -> Circumstances:
    """When, with which files and by which command, and the switches that change what is found.

    A name and password that stand before DEST's host are no part of it.
    """
    command = ["tkg-mirror", *(starred(each) if each == dest else each for each in sys.argv[1:])]
    # Where one is missing, whoever reads it for its certificates says so.
    trusted = [path for path in registry.ca_file or () if path.is_file() or path.is_fifo()]
    given = [*handed_in(wanted), *(given_file("CA file", path) for path in trusted)]
    flags = {
        "--strict": judging.strict,
        "--fips": judging.fips,
        "--deep": wanted.deep,
        "--plain-http": registry.plain_http,
        "--insecure-skip-tls-verify": registry.insecure_skip_tls_verify,
    }
    on = [name for name, value in flags.items() if value]
    return circumstances(shlex.join(command), given, on)


def tell_node_test(asked: Question, output: OutputOptions) -> None:
    """Print the line for a node; nothing is asked."""
    line = nodetest.command(asked)
    told = json.dump({"schema": "tkg-mirror/node-test/v1", "command": line})
    print_result(told if output.format is Format.JSON else line)


def tell_examination(
    found: Examination,
    by: Circumstances,
    output: OutputOptions,
    page: Path | None,
    *,
    force: bool = False,
) -> Fault | None:
    """Write the page, print the result, and give what the command ends with.

    Where the page cannot be written the findings are printed all the same, and say so.
    """
    unwritten = _write(found, by, page, force=force) if page else None
    if unwritten:
        notice = f"the report was not written: {unwritten.fact}"
        found = replace(found, notices=(*found.notices, notice))
    if output.format is Format.JSON:
        print_result(json.dump(preflight.document(found, by)))
    else:
        print_result(text(found, Look(width(WIDTH), coloured())))
    return unwritten or unfit(found)


def _write(
    found: Examination, by: Circumstances, page: Path, *, force: bool
) -> MachineFault | None:
    # Imported here: jinja2 costs time that a run without a page saves.
    from mirror.report.preflight_html import render

    try:
        write_record(page, render(found, by), force=force)
    except MachineFault as fault:
        return fault
    return None
