"""JSON as it is sent: a decimal is a number with all its digits, as FHIR asks, and never a string or a float."""

from __future__ import annotations

from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(value: Any) -> bytes:
    """``value`` as JSON in UTF-8.

    Raises:
        TypeError: it holds something that JSON has no word for.
    """
    return _encoder.encode(value)
