"""Registries that images are still named under and that are no more. Pure.

BOMs up to TKG 2.4 name the first one, some of their images the second
(https://github.com/vmware-tanzu/tanzu-cli/issues/865).
"""

from __future__ import annotations

from typing import Final

_NOW: Final = "projects.packages.broadcom.com"

# What became of each host.
_FATES: Final = {
    "projects.registry.vmware.com": f"is gone, and {_NOW} has its images",
    "projects-stg.registry.vmware.com": f"was for staging; {_NOW} has what was released",
}


def relocated(name: str, repository: str) -> str:
    """Where ``repository``, a mirror of the TKG project, has what is named in it at a moved host.

    Nothing for any other name. ImagesLocks name the hosts of the day when they were written.
    """
    for host in _FATES:
        if name.startswith(f"{host}/tkg/"):
            return f"{repository}/{name.removeprefix(f'{host}/tkg/')}"
    return ""


def advice(host: str) -> str:
    """What to do where ``host[:port]`` fails; nothing for a registry that has not moved.

    ``--source-repo`` stands in place of a BOM's base repository; an image with a repository of
    its own, a list and a plan need ``--rewrite``.
    """
    fate = _FATES.get(host.partition(":")[0])
    if not fate:
        return ""
    return (
        f"{host} {fate}: add --source-repo {_NOW}/tkg, "
        f"or, for a list, a plan or an image with a repository of its own, --rewrite {host}={_NOW}"
    )
