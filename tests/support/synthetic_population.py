"""A population of invented patients as a FHIR server exports it (Bulk Data): NDJSON, a type of resource a file.

``python -m tests.support.synthetic_population OUT --patients 10000 --seed 7 [--parts 4] [--gzip]`` writes one of any
size in bounded memory. A patient is the same by seed and number, whatever the size, the number of parts and the order.
Three in a hundred are of interest: their record and orders are those of ``fixtures/scenarios``. All have a background
of results, problems, drugs, allergies, procedures and encounters; 46 resources and 36 kB a patient in the mean.

All of it is valid FHIR R4, and every patient and Medication that is referred to is there. About two resources in a
thousand patients have no date, as scenarios tell them. ``tests/support/messy_export.py`` plants what is wrong in the
exports of hospitals.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, BinaryIO

from tests.support.synthetic_background import Lines, add_anybody, add_background
from tests.support.synthetic_catalogue import AS_OF, DRUGS
from tests.support.synthetic_orders import add_patient_of_interest, ordered_medications

OF_INTEREST = 0.03
_SHUFFLED_AT_ONCE = 5000  # lines of one type
_MEDICATION = re.compile(r'"Medication/([^"]+)"')


def one_patient(seed: int, number: int) -> list[dict[str, Any]]:
    """The resources of one patient, and the Medications that they refer to."""
    texts = [line for lines in lines_of(seed, number).values() for line in lines]
    known = medications()
    referred = dict.fromkeys(name for text in texts for name in _MEDICATION.findall(text))
    return [json.loads(text) for text in (*texts, *(known[name] for name in referred))]


def is_of_interest(seed: int, number: int) -> bool:
    """Whether this is one of the three in a hundred about whom rules have something to say."""
    return _chance(seed, number).random() < OF_INTEREST


def id_of(number: int) -> str:
    """The id of the patient of that number, with which the ids of its resources begin."""
    return f"p{number:07d}"


def medications() -> Mapping[str, str]:
    """The Medications that anybody's orders may refer to, as JSON by id."""
    return {**dict(drug.medication for drug in DRUGS), **ordered_medications()}


def lines_of(seed: int, number: int) -> Lines:
    """The resources of one patient as JSON, by type; Medications belong to nobody."""
    chance = _chance(seed, number)
    of_interest = chance.random() < OF_INTEREST
    lines: Lines = defaultdict(list)
    person = (add_patient_of_interest if of_interest else add_anybody)(lines, id_of(number), chance)
    add_background(lines, person, chance, apart=of_interest)
    return lines


def _chance(seed: int, number: int) -> Random:
    return Random((seed << 32) + number)  # noqa: S311


@dataclass
class Export:
    """A folder that an export is written to, with the files of it.

    A line waits until some thousands of its type are there; then they are shuffled and dealt to the parts, so that the
    resources of a patient stand apart and in no order.
    """

    folder: Path
    seed: int
    parts: int
    gzipped: bool
    counts: Counter[str] = field(default_factory=Counter)
    _open: dict[str, BinaryIO] = field(default_factory=dict)
    _waiting: Lines = field(default_factory=lambda: defaultdict(list))
    _closing: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Export:
        self.folder.mkdir(parents=True, exist_ok=True)
        if any(self.folder.iterdir()):
            raise FileExistsError(f"{self.folder} is not empty")
        return self

    def __exit__(self, *_: object) -> None:
        for kind in self._waiting:
            self._deal(kind)
        self._closing.close()
        (self.folder / "manifest.json").write_text(json.dumps(manifest(self.counts), indent=1) + "\n")

    def add(self, lines: Lines) -> None:
        """Takes resources to write."""
        for kind, texts in lines.items():
            waiting = self._waiting[kind]
            waiting += texts
            if len(waiting) >= _SHUFFLED_AT_ONCE:
                self._deal(kind)

    def _deal(self, kind: str) -> None:
        lines = self._waiting[kind]
        Random(f"{self.seed}/{kind}/{sum(self.counts.values())}").shuffle(lines)  # noqa: S311
        for part in range(self.parts):
            if dealt := lines[part :: self.parts]:
                name = kind + (f".{part:03d}" if self.parts > 1 else "") + ".ndjson" + (".gz" if self.gzipped else "")
                self._file(name).write(("\n".join(dealt) + "\n").encode())
                self.counts[name] += len(dealt)
        lines.clear()

    def _file(self, name: str) -> BinaryIO:
        if name not in self._open:
            file: Any = self._closing.enter_context((self.folder / name).open("wb"))
            if self.gzipped:  # without name and time, so that the same lines are the same bytes
                file = self._closing.enter_context(gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0))
            self._open[name] = file
        return self._open[name]


def write_population(
    folder: Path, patients: int, *, seed: int = 0, parts: int = 1, gzipped: bool = False
) -> Mapping[str, int]:
    """Writes patients 1 to ``patients`` and ``manifest.json`` to a new folder; gives the lines of each file.

    Raises:
        FileExistsError: something is in the folder.
    """
    with Export(folder, seed, parts, gzipped) as export:
        export.add({"Medication": list(medications().values())})
        for number in range(1, patients + 1):
            export.add(lines_of(seed, number))
    return export.counts


def manifest(counts: Mapping[str, int]) -> dict[str, Any]:
    """What the server's status response says of an export that is complete, from the lines of each file."""
    return {
        "transactionTime": AS_OF.isoformat(),
        "request": "https://fhir.hospital.example/r4/Group/everybody/$export",
        "requiresAccessToken": False,
        "output": [
            {"type": name.partition(".")[0], "url": f"https://bulk.hospital.example/1/{name}", "count": count}
            for name, count in sorted(counts.items())
        ],
        "deleted": [],
        "error": [],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes a population and says how large it became."""
    parser = argparse.ArgumentParser(description="Writes a synthetic population as NDJSON.")
    parser.add_argument("out", type=Path, help="a new folder")
    parser.add_argument("--patients", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parts", type=int, default=1, help="files of each type")
    parser.add_argument("--gzip", action="store_true")
    given = parser.parse_args(arguments)
    began = time.process_time()
    counts = write_population(given.out, given.patients, seed=given.seed, parts=given.parts, gzipped=given.gzip)
    size = sum(path.stat().st_size for path in given.out.iterdir())
    print(
        f"{given.patients} patients, {sum(counts.values())} resources, {size / 1e6:.1f} MB in {len(counts)} files; "
        f"{time.process_time() - began:.1f} s of processor time"
    )


if __name__ == "__main__":
    main()
