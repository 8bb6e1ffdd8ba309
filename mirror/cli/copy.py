"""``tkg-mirror copy``: registry to registry."""

from __future__ import annotations

from mirror.cli.options import (
    CarryOptions,
    Dest,
    Inputs,
    KeepGoing,
    OnlyFailed,
    OutputOptions,
    Overwrite,
    RegistryOptions,
)
from mirror.errors import Fault


def copy(
    dest: Dest,
    inputs: Inputs,
    carry: CarryOptions,
    registry: RegistryOptions,
    output: OutputOptions,
    overwrite: Overwrite = False,
    keep_going: KeepGoing = False,
    only_failed: OnlyFailed = None,
) -> Fault | None:
    """Copy every image that DEST lacks, where both registries can be reached.

    Nothing is kept on this machine. The registry options are for both sides; what is at the same
    registry already is taken over inside it. Prints the variables that TKG needs.
    """
    from dataclasses import replace

    from bom.reference import parse_repository
    from mirror.cli.access import access, read_earlier
    from mirror.cli.console import listening
    from mirror.cli.inputs import read_inputs
    from mirror.cli.results import nothing_failed, tell_run
    from mirror.copy import copy as bring
    from mirror.errors import Side
    from mirror.registry.client import Registry
    from mirror.registry.remote import Registries
    from mirror.tkg import REPOSITORY, variables

    taken = inputs.images == "-"
    earlier = read_earlier(only_failed, stdin_taken=taken or registry.password_stdin)
    host, project = parse_repository(dest)
    wanted = read_inputs(inputs)
    carried = wanted.carry(carry.carry())
    if earlier:
        wanted = wanted.failed_in(earlier)
    with listening(output) as listener:
        hosts = wanted.hosts | {host}
        reach = access(registry, Side.SOURCE, hosts, stdin_taken=taken, listener=listener)
        block = variables(host, project, reach)
        if earlier:
            earlier.check_destination(block[REPOSITORY])
            if not earlier.failed:
                return tell_run(nothing_failed(earlier), "nothing is copied", output)
        there = replace(reach, side=Side.DESTINATION)
        named = wanted.named | {host}
        with Registries(reach, named) as source, Registry(host, there) as target:
            creation = wanted.creation(
                source, carried, reach.settings, listener, keep_going=keep_going, earlier=earlier
            )
            report = bring(creation, target, project, overwrite=overwrite)
    done = f"{block[REPOSITORY]} has {'the images that had failed' if earlier else 'every image'}"
    return tell_run(report, done, output, variables=block, earlier=earlier)
