"""Check digits of codes: LOINC mod 10, SNOMED CT Verhoeff, UNII mod 36."""

from __future__ import annotations

_SNOMED, _LOINC = "http://snomed.info/sct", "http://loinc.org"


def fails_check_digit(system: str, code: str) -> bool:
    """Whether a code of LOINC or SNOMED CT, spelled canonically, does not end in its check digit."""
    return (system == _LOINC and not loinc_is_valid(code)) or (system == _SNOMED and not snomed_is_valid(code))


def loinc_is_valid(code: str) -> bool:
    """Whether a LOINC code ends in its mod-10 check digit."""
    number, _, digit = code.partition("-")
    if not code.isascii() or not number.isdigit() or not digit.isdigit():
        return False
    doubled = sum(sum(divmod(int(d) * 2, 10)) for d in number[::-2])
    return (10 - (doubled + sum(map(int, number[-2::-2]))) % 10) % 10 == int(digit)


def snomed_is_valid(code: str) -> bool:
    """Whether a SNOMED CT identifier ends in its Verhoeff check digit (dihedral group D5)."""
    if not code.isascii() or not code.isdigit() or not 6 <= len(code) <= 18:
        return False
    check = 0
    for place, digit in enumerate(reversed(code)):
        permuted = int(digit)
        for _ in range(place % 8):
            permuted = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[permuted]
        check = _multiplied(check, permuted)
    return check == 0


def _multiplied(a: int, b: int) -> int:
    """The product in D5 of elements 0-4 (rotations) and 5-9 (reflections)."""
    rotation_a, rotation_b = a % 5, b % 5
    if a < 5:
        return (rotation_a + rotation_b) % 5 + (5 if b >= 5 else 0)
    return (rotation_a - rotation_b) % 5 + (0 if b >= 5 else 5)


def unii_is_valid(code: str) -> bool:
    """Whether a UNII of the FDA ends in its check character: the sum of the others, letters from 10 on, mod 36."""
    if len(code) != 10 or not (code.isascii() and code.isalnum() and code.isupper()):
        return False
    *others, check = (int(character, 36) for character in code)
    return sum(others) % 36 == check
