"""``tkg-mirror preflight``: is a registry fit for Tanzu Kubernetes Grid."""

from __future__ import annotations

from typing import Annotated

import typer

from mirror.cli.options import OutputOptions, RegistryOptions
from mirror.cli.preflight_options import ActionOptions, ExpectedOptions, JudgingOptions
from mirror.errors import Fault


def preflight(
    dest: Annotated[
        str, typer.Argument(metavar="DEST", help="The registry: host[:port]/project[/...].")
    ],
    wanted: ExpectedOptions,
    judging: JudgingOptions,
    action: ActionOptions,
    registry: RegistryOptions,
    output: OutputOptions,
) -> Fault | None:
    """Check whether a registry is fit for Tanzu Kubernetes Grid, and say how to mend it."""
    from bom.errors import ReferenceFault
    from mirror.cli.console import listening
    from mirror.cli.examined import going_by, refuse_page, tell_examination, tell_node_test
    from mirror.cli.question import Given, question
    from mirror.cli.values import waivers
    from mirror.preflight.catalogue import CHECKS
    from mirror.preflight.project import prepare
    from mirror.preflight.run import Rules, examine, unaddressed
    from mirror.preflight.scene import Scene, Target

    rules = Rules(waivers(judging.waive or ()), judging.strict)
    rules.check(CHECKS)
    given = Given.read(wanted)
    if action.emit_node_test:
        target = Target.parse(dest, plain_http=registry.plain_http)
        tell_node_test(question(target, given, judging, action, registry), output)
        return None
    by = going_by(dest, wanted, judging, registry)
    if action.report:
        refuse_page(action.report, wanted, registry, force=action.force)
    with listening(output) as listener:
        try:
            target = Target.parse(dest, plain_http=registry.plain_http)
        except ReferenceFault as fault:
            found = unaddressed(dest, fault, CHECKS)
        else:
            asked = question(target, given, judging, action, registry, listener)
            with Scene(asked, listener) as scene:
                prepare(scene)
                found = examine(scene, CHECKS, rules)
    return tell_examination(found, by, output, action.report, force=action.force)
