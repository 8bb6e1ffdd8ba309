"""What Tanzu Kubernetes Grid must be told about a private registry. Pure but for reading CAs."""

from __future__ import annotations

import base64

from mirror.registry.access import Access
from mirror.registry.tls import certificates

REPOSITORY = "TKG_CUSTOM_IMAGE_REPOSITORY"
SKIP_VERIFY = "TKG_CUSTOM_IMAGE_REPOSITORY_SKIP_TLS_VERIFY"
CA = "TKG_CUSTOM_IMAGE_REPOSITORY_CA_CERTIFICATE"


def variables(host: str, project: str, access: Access) -> dict[str, str]:
    """Names and values (tanzu-framework, config_variables.go).

    The repository has no scheme; the CA is standard base64 of PEM in one line, which TKG
    decodes strictly. Raises InputFault for a CA file that is none.
    """
    values = {
        REPOSITORY: f"{host}/{project}" if project else host,
        SKIP_VERIFY: "true" if access.tls.insecure else "false",
    }
    if access.tls.ca_files:
        pem = b"".join(certificates(path, pem=True) for path in access.tls.ca_files)
        values[CA] = base64.b64encode(pem).decode("ascii")
    return values
