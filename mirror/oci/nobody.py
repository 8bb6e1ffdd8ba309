"""A manifest whose blobs nobody has: what is asked with it, and leaves nothing behind.

Distribution and Harbor look for the blobs of a manifest before they take it, and refuse this one
(measured: distribution 2.8.2 and 3.1.1, Harbor 2.9.5). The specification allows to take it.
"""

from __future__ import annotations

from mirror.oci import mediatypes
from mirror.oci.digest import Digest
from mirror.oci.strictjson import canonical

NOBODYS = Digest("0" * 64)
INCOMPLETE = canonical(
    {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": str(NOBODYS),
            "size": 2,
        },
        "layers": [],
    }
)
