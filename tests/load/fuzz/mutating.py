"""Real requests broken in the ways that JSON and FHIR can be broken. Every choice is made by a ``random.Random``:

Hypothesis, a seeded one and a coverage-guided fuzzer can each stand behind it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

# JSON as it is written, valid or not.
FRAGMENTS = (
    *("null", "true", "false", "0", "-0", "-1", "0.5", "1e2", "25", "24.999999999999999999", "[]", "{}", "[null]"),
    *("[{}]", '[""]', "[[[]]]", '{"":""}', '{"value":1,"value":2}', '{"coding":{}}', '{"coding":[null]}'),
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "-1e400",
        "1e-400",
        "1e999999999",
        "1E+308",
        "0.1e-999",
        "01",
        "+1",
        ".5",
    ),
    *("9" * 30, "9" * 5000, "-" + "9" * 400, "0." + "3" * 400, "9007199254740993", "18446744073709551616"),
    *('""', '" "', '"\\u0000"', '"a\\u0000b"', '"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\uffff"'),
    *('"\u202e\u200b\ufeff"', '"\u0661\u0662\u0663"', '"\u00b2"', '"\u0130"', '"e\u0301"', '"' + "x" * 5000 + '"'),
    *('"25"', '"<25"', '"<= 25"', '"1,5"', '"NaN"', '"1e3"', '"-5"', '"2026-02-30"', '"0000-00-00"', '"0001-01-01"'),
    *('"9999-12-31T23:59:59.999999999-14:00"', '"2026-11-23T24:00:00Z"', '"2026-W01-1"', '"20261123"', '"2026"'),
    *('"2026-11-23T12:00:00+99:99"', '"2026-11-23T12:00:60Z"', '"\u0662\u0660\u0662\u0666-11-23"', '"P3D"'),
    *('"Patient/x"', '"#"', '"#med"', '"Patient/a/_history/1"', '"urn:uuid:x"', '"../x"', '"Patient/"', '"{{x}}"'),
    *('"mg"', '"mcg"', '"10*9/L"', '"K/uL"', '"/uL"', '"%"', '"wk"', '"mo"', '"\u00b5g"', '"final"', '"draft"'),
    *('"Bundle"', '"OperationOutcome"', '"Observation"', '"entered-in-error"', '"<"', '">="', '"~"', '"ad"'),
)
_NAMES = ("resourceType", "id", "entry", "resource", "coding", "value", "repeat", "contained", "__proto__", "x", "")
_DEPTHS = (3, 66, 200, 1100, 50_000)
_MOST_BYTES = 400_000


class Written(str):
    """A part of a tree that is JSON text already."""

    __slots__ = ()


class Twice(tuple[tuple[str, Any], ...]):
    """An object whose members may repeat."""

    __slots__ = ()


def spelled(tree: Any) -> str:
    """A tree as JSON text."""
    if isinstance(tree, Written):
        return str(tree)
    if isinstance(tree, Twice):
        return "{" + ",".join(f"{json.dumps(name)}:{spelled(child)}" for name, child in tree) + "}"
    if isinstance(tree, dict):
        return spelled(Twice(tree.items()))
    if isinstance(tree, list):
        return "[" + ",".join(map(spelled, tree)) + "]"
    return json.dumps(tree, ensure_ascii=False)


def places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every member and item of a tree: what holds it, and under which name or number."""
    waiting = [tree]
    while waiting:
        parent = waiting.pop()
        for key in parent if isinstance(parent, dict) else range(len(parent)):
            yield parent, key
            child = parent[key]
            if isinstance(child, dict | list) and not isinstance(child, Twice):
                waiting.append(child)


def mutated(random: Random, body: bytes) -> bytes:
    """A request with one to four things changed in its tree, and now and then in its bytes."""
    tree = json.loads(body)
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        # By the part of the request first: else nearly all would fall into the largest search.
        part = tree
        for _ in range(random.randrange(4)):
            inner = [child for child in (part.values() if isinstance(part, dict) else part) if _is_open(child)]
            if not inner:
                break
            part = random.choice(inner)
        found = list(places(part))
        if found:
            _change(random, *random.choice(found), part)
    text = spelled(tree).encode("utf-8", "surrogatepass")
    return _bytes_changed(random, text) if random.randrange(8) == 0 else text[:_MOST_BYTES]


def _is_open(child: Any) -> bool:
    return isinstance(child, dict | list) and not isinstance(child, Twice) and bool(child)


def _change(random: Random, parent: Any, key: Any, part: Any) -> None:
    what = random.randrange(12)
    if what == 0:
        del parent[key]
    elif what == 1:
        parent[key] = [parent[key]]
    elif what == 2 and isinstance(parent[key], list):
        parent[key] = parent[key][0] if parent[key] else Written("null")
    elif what == 3:
        depth = random.choice(_DEPTHS)
        opened, closed = random.choice((("[", "]"), ('{"a":', "}"), ('{"contained":[', "]}"), ('{"extension":', "}")))
        parent[key] = Written(opened * depth + spelled(parent[key]) + closed * depth)
    elif what == 4 and isinstance(parent, dict):
        other = random.choice(FRAGMENTS)
        pairs = [(name, child) for name, child in parent.items()]
        pairs.insert(random.randrange(len(pairs) + 1), (key, Written(other)))
        grand = next(((p, k) for p, k in places(part) if p[k] is parent), None)
        if grand is not None:
            grand[0][grand[1]] = Twice(pairs)
    elif what == 5 and isinstance(parent, dict):
        parent[random.choice(_NAMES) if random.randrange(2) else key.swapcase()] = parent.pop(key)
    elif what == 6 and isinstance(parent, list):
        parent[key:key] = [parent[key]] * random.choice((1, 2, 5))
    elif what == 7:
        other, name = random.choice(list(places(part)))
        parent[key], other[name] = other[name], parent[key]
        if _holds_itself(part):
            other[name] = Written("null")
            parent[key] = Written("null")
    elif what == 8 and isinstance(parent[key], str):
        text = parent[key]
        at = random.randrange(len(text) + 1)
        parent[key] = (
            text[:at] + random.choice(("", " ", "\u0000", "9", "-", "/", "#", "é", "|", "'", '"', "<b>")) + text[at:]
        )
    elif what == 9 and isinstance(parent[key], int | float):
        parent[key] = random.choice((-parent[key], parent[key] * 1000, parent[key] / 7, str(parent[key]), 0))
    else:
        parent[key] = Written(random.choice(FRAGMENTS))


def _holds_itself(tree: Any) -> bool:
    """Whether an exchange made a tree part of itself."""
    waiting, seen = [(tree, 0)], 0
    while waiting:
        node, depth = waiting.pop()
        seen += 1
        if depth > 60 or seen > 100_000:
            return True
        if isinstance(node, dict | list) and not isinstance(node, Twice):
            waiting += [(child, depth + 1) for child in (node.values() if isinstance(node, dict) else node)]
    return False


def _bytes_changed(random: Random, text: bytes) -> bytes:
    at = random.randrange(len(text) + 1)
    inserted = random.choice(
        (b"", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\\ud800", b'"', b"}", b",", b"//")
    )
    if random.randrange(3) == 0:
        return text[:at]  # cut off
    return text[:at] + inserted + text[at + random.randrange(2) :]
