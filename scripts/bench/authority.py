"""A test CA and a certificate for 127.0.0.1: `python -m scripts.bench.authority DIR`."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["FILES", "main"]

FILES = ("ca.pem", "certificate.pem", "key.pem")


def main() -> None:
    """Write the three files."""
    import trustme  # not where only the names are wanted: it takes 14 MB

    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1")
    ca, certificate, key = (folder / name for name in FILES)
    authority.cert_pem.write_to_path(str(ca))
    certificate.write_bytes(b"".join(pem.bytes() for pem in server.cert_chain_pems))
    server.private_key_pem.write_to_path(str(key))


if __name__ == "__main__":
    main()
