"""Which encounters orders were written in, so that the lines of others need not be put aside.

An export has many encounters, and orders name few of them. The orders are read first; the encounters they name must
fit into every process that reads, however many there are.
"""

from __future__ import annotations

from zlib import crc32

_PLACES = 1_048_576  # so that of 100,000 encounters that are named nine of ten others are told from them
_SCATTER = 2_654_435_761  # a checksum of names that follow each other does not scatter them by itself
_CHECKSUMS = 0x1_0000_0000


class NamedEncounters:
    """Encounters by their ids: a Bloom filter of one hash. None that was named is missed; of others a few are taken for
    one that was named.
    """

    def __init__(self) -> None:
        self._bits = bytearray(_PLACES // 8)

    def add(self, encounter: str) -> None:
        """Notes that an encounter was named."""
        byte, bit = divmod(_place(encounter), 8)
        self._bits[byte] |= 1 << bit

    def add_all(self, others: NamedEncounters) -> None:
        """Notes all that were named elsewhere."""
        both = int.from_bytes(self._bits) | int.from_bytes(others._bits)
        self._bits = bytearray(both.to_bytes(len(self._bits)))

    def __contains__(self, encounter: str) -> bool:
        """Whether an encounter may have been named."""
        byte, bit = divmod(_place(encounter), 8)
        return bool(self._bits[byte] & 1 << bit)


def _place(encounter: str) -> int:
    return crc32(encounter.encode()) * _SCATTER % _CHECKSUMS // (_CHECKSUMS // _PLACES)
