"""What is wrong in exports as hospitals have them, planted one thing at a time in a folder of ``write_population``.

Whatever is planted stands beside what was there: a resource that is wrong is one more, so that nobody's answers change
but for it. The manifest keeps the right count of lines.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.synthetic_population import manifest

NOT_THERE = "not-there"
"""The id of the Patient or Medication that is referred to and is not in the export."""
_DATES = (
    "effectiveDateTime",
    "effectivePeriod",
    "issued",
    "recordedDate",
    "onsetDateTime",
    "abatementDateTime",
    "authoredOn",
    "performedPeriod",
    "performedDateTime",
    "meta",
)


@dataclass(frozen=True, slots=True)
class Planted:
    """Where something stands: the file, the line counted from 1, and the reference of the resource."""

    file: Path
    line: int
    reference: str


def files_of(folder: Path, kind: str) -> Sequence[Path]:
    """The parts of one type, in order."""
    return sorted(folder.glob(f"{kind}.*ndjson*"))


def lines_in(file: Path) -> list[bytes]:
    """The lines of a file, gzipped or not, without their ends."""
    packed = file.read_bytes()
    return (gzip.decompress(packed) if file.suffix == ".gz" else packed).split(b"\n")[:-1]


def plant_broken_line(folder: Path, kind: str = "Observation") -> Planted:
    """A line that breaks off in the middle."""
    text = lines_in(files_of(folder, kind)[0])[0]
    return _insert(folder, files_of(folder, kind)[0], text[: len(text) // 2], "")


def plant_duplicate(folder: Path, kind: str = "Observation") -> Planted:
    """A resource of the first part once more in the last, under the same id."""
    text = lines_in(files_of(folder, kind)[0])[0]
    return _insert(folder, files_of(folder, kind)[-1], text, f"{kind}/{json.loads(text)['id']}")


def plant_version(folder: Path, kind: str = "Observation", **elements: Any) -> Planted:
    """The first resource of a type once more in the last part, with other ``elements``."""
    resource = json.loads(lines_in(files_of(folder, kind)[0])[0]) | elements
    return _insert(folder, files_of(folder, kind)[-1], json.dumps(resource).encode(), f"{kind}/{resource['id']}")


def plant_undated(folder: Path, kind: str = "Observation", patient: str = "") -> Planted:
    """A resource without any date."""

    def undated(resource: dict[str, Any]) -> None:
        for name in _DATES:
            resource.pop(name, None)

    return _plant(folder, kind, patient, "planted-undated", undated)


def plant_future(folder: Path, kind: str = "Observation", patient: str = "") -> Planted:
    """A resource of a year after the export."""

    def later(resource: dict[str, Any]) -> None:
        for name in resource.keys() & {"effectiveDateTime", "issued", "authoredOn"}:
            resource[name] = "2027-11-30T08:00:00Z"
        for name in resource.keys() & {"recordedDate", "onsetDateTime", "performedDateTime"}:
            resource[name] = "2027-11-30"

    return _plant(folder, kind, patient, "planted-future", later)


def plant_unknown_patient(folder: Path, kind: str = "Observation") -> Planted:
    """A resource of a patient who is not in the export."""

    def of_nobody(resource: dict[str, Any]) -> None:
        resource["patient" if "patient" in resource else "subject"] = {"reference": f"Patient/{NOT_THERE}"}

    return _plant(folder, kind, "", "planted-of-nobody", of_nobody)


def plant_dangling_medication(folder: Path, patient: str = "") -> Planted:
    """An order whose drug is a Medication that is not in the export."""

    def referring(order: dict[str, Any]) -> None:
        order.pop("medicationCodeableConcept", None)
        order["medicationReference"] = {"reference": f"Medication/{NOT_THERE}"}

    return _plant(folder, "MedicationRequest", patient, "planted-dangling", referring)


def plant_many_results(folder: Path, patient: str, count: int) -> None:
    """``count`` results more of one patient."""
    file = files_of(folder, "Observation")[0]
    lines = lines_in(file)
    like = json.loads(_like(folder, "Observation", patient))
    lines += [json.dumps(like | {"id": f"planted-many-{number}"}).encode() for number in range(count)]
    _write(folder, file, lines)


def plant_blank_lines(folder: Path) -> None:
    """In every file an empty line first, and one of spaces after every tenth."""
    for file in _data_files(folder):
        lines = lines_in(file)
        blank = [part for start in range(0, len(lines), 10) for part in (*lines[start : start + 10], b"  ")]
        _write(folder, file, [b"", *blank])


def end_lines_with_crlf(folder: Path) -> None:
    """Every line of every file ends as on Windows."""
    for file in _data_files(folder):
        _write(folder, file, [line + b"\r" for line in lines_in(file)])


def leave_out_last_newline(folder: Path) -> None:
    """No file ends with the end of a line."""
    for file in _data_files(folder):
        _pack(file, b"\n".join(lines_in(file)))


def empty_file(folder: Path, kind: str) -> Path:
    """A part more of a type, in which there is nothing."""
    file = folder / f"{kind}.999.ndjson"
    _write(folder, file, [])
    return file


def cut_off(file: Path) -> None:
    """The second half of a file is missing, as after a download that broke off."""
    packed = file.read_bytes()
    file.write_bytes(packed[: len(packed) // 2])


def leave_out_type(folder: Path, kind: str) -> None:
    """The type was not exported: neither a file nor the manifest has it."""
    for file in files_of(folder, kind):
        file.unlink()
        _note(folder, file, None)


def _data_files(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob("*.ndjson*"))


def _like(folder: Path, kind: str, patient: str) -> bytes:
    """The first resource of a type, or the first of a patient."""
    of_whom = f'"reference":"Patient/{patient}'.encode()
    return next(line for file in files_of(folder, kind) for line in lines_in(file) if of_whom in line)


def _plant(folder: Path, kind: str, patient: str, name: str, change: Callable[[dict[str, Any]], None]) -> Planted:
    """Adds a resource like another of the type, changed and under an id of its own."""
    resource = json.loads(_like(folder, kind, patient)) | {"id": name}
    change(resource)
    return _insert(folder, files_of(folder, kind)[0], json.dumps(resource).encode(), f"{kind}/{name}")


def _insert(folder: Path, file: Path, text: bytes, reference: str) -> Planted:
    lines = lines_in(file)
    place = len(lines) // 2
    _write(folder, file, [*lines[:place], text, *lines[place:]])
    return Planted(file, place + 1, reference)


def _write(folder: Path, file: Path, lines: Sequence[bytes]) -> None:
    _pack(file, b"".join(line + b"\n" for line in lines))
    _note(folder, file, sum(1 for line in lines if line.strip()))


def _pack(file: Path, text: bytes) -> None:
    file.write_bytes(gzip.compress(text, mtime=0) if file.suffix == ".gz" else text)


def _note(folder: Path, file: Path, count: int | None) -> None:
    """Writes in the manifest how many resources a file has; ``None`` takes it out."""
    path = folder / "manifest.json"
    counts = {each["url"].rpartition("/")[2]: each["count"] for each in json.loads(path.read_text())["output"]}
    counts.pop(file.name, None)
    path.write_text(json.dumps(manifest(counts if count is None else counts | {file.name: count}), indent=1) + "\n")
