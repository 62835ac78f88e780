"""The certificates that a hospital trusts for its own servers."""

from __future__ import annotations

import ssl
from pathlib import Path


def refuse_without_certificates(bundle: Path) -> None:
    """Refuses a file of certificates that no connection could be opened with.

    Raises:
        ValueError: it holds no certificates as PEM.
        OSError: it cannot be read.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(bundle)
    except ssl.SSLError:
        raise ValueError("it holds no certificates (PEM)") from None
