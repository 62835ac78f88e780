"""Every place where bytes or text of others are read: one function a target, which tries one case.

A case that breaks a promise raises; errors that a parser documents are part of its promise.
"""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from joserfc.jwk import ECKey

from cds_service.chart.sent_entries import patient_in
from cds_service.content.site import read_site
from cds_service.content.unary import parse_cell
from cds_service.fhir.dates import read_date, years_between
from cds_service.fhir.quantities import read_number, read_quantity
from cds_service.net.addresses import is_loopback_host
from cds_service.net.searches import NotFhirError, SearchPages
from cds_service.net.servers import AllowedServers, NotAllowedError
from cds_service.packaged import packaged
from cds_service.protocol.encodings import TooLongError, decoded
from cds_service.protocol.faults import Fault
from cds_service.protocol.feedback import decode_feedback
from cds_service.protocol.uuids import make_uuid, read_uuid
from cds_service.service.logs import request_id_of
from cds_service.trust.clients import read_clients
from cds_service.trust.replay_protection import UsedTokensInMemory
from cds_service.trust.tokens import RefusedError
from cds_service.trust.verifier import Verifier
from cds_service.vocabulary.facts import Fact, Interval, Reason, State
from cds_service.vocabulary.problems import ProblemsError
from tests.load.fuzz import holding
from tests.load.fuzz.mutating import FRAGMENTS, mutated, spelled
from tests.support.trust_parts import BASE, ISSUER, SERVICE, Maker, b64, public

Target = Callable[[Random], None]

_ZONES = tuple(map(ZoneInfo, ("UTC", "Pacific/Kiritimati", "America/St_Johns", "Asia/Kathmandu")))
_NUMBERS = (
    "0",
    "25",
    "-5",
    "1e2",
    "1E-9",
    "1e99",
    "1e-400",
    "25.000",
    "007",
    "1.",
    ".5",
    "1e",
    "NaN",
    "<=25",
    "<= 25",
    "١",
)
_SIGNS = "0123456789+-.eE<>=[]()\",not absentukw|/:#@%&?*~'\\\0\n\té²٣０\u202e\ud800\U0001f489T Z"


def text(random: Random, *beginnings: str) -> str:
    """A text near to one of ``beginnings``: signs changed, left out, put in or repeated."""
    said = random.choice(beginnings) if beginnings else ""
    for _ in range(random.choice((0, 1, 1, 2, 3, 6))):
        at = random.randrange(len(said) + 1)
        match random.randrange(4):
            case 0:
                said = said[:at] + random.choice(_SIGNS) + said[at:]
            case 1:
                said = said[:at] + said[at + 1 :]
            case 2:
                said = said[:at] + random.choice(_SIGNS) + said[at + 1 :]
            case 3:
                said = said[:at] + said[at:] * random.choice((2, 3, 50))
        said = said[:20_000]
    return said


def number(random: Random) -> None:
    said = text(random, *_NUMBERS)
    value = read_number(said)
    if value is not None:
        assert value == Fraction(Decimal(said))
        float(value)  # within what floating point holds


def quantity(random: Random) -> None:
    pack = holding.prepared().pack
    analytes = [fact.analyte for fact in pack.facts.values() if fact.analyte is not None]
    analyte = random.choice(analytes)
    units = (*analyte.factors, "K/uL", "G/L", "x10^3/uL", "10*9{cells}/L", "THOU/MM3", "10*3 per cu mm", "", "%")
    amount = read_quantity(
        analyte, text(random, *_NUMBERS), text(random, *units), text(random, "http://unitsofmeasure.org", ""),
        text(random, *units), text(random, "", "", "", "<", "<=", ">", ">="),
    )  # fmt: skip
    assert isinstance(amount, Reason | Interval)
    if isinstance(amount, Interval):
        assert amount.low is None or amount.low >= 0
        assert amount.low is None or amount.high is None or amount.low <= amount.high
    else:
        assert amount.key in pack.reasons


def date(random: Random) -> None:
    said = text(
        random,
        "2026",
        "2026-11",
        "2026-11-23",
        "2026-11-23T12:00:00Z",
        "9999-12-31",
        "0001-01-01",
        "2026-11-23T24:00:00.1+14:00",
    )
    span = read_date(said, random.choice(_ZONES))
    assert span is None or span.start <= span.end
    for zone in _ZONES if span else ():
        assert span.start.astimezone(zone) <= span.end.astimezone(zone)
    ages = years_between(said, holding.NOW)
    assert ages is None or 0 <= ages[0] <= ages[1] <= 2026


def cell(random: Random) -> None:
    said = text(random, "-", "< 25", "<=25", "[25..50]", "(1..2]", '"muscle"', 'not("PO","SL")', "absent", '2, 3, "x"')
    try:
        parsed = parse_cell(said)
    except ValueError:
        return
    if parsed is None:
        return
    for fact in (Fact.absent(), Fact.of("muscle"), Fact.of(Interval.point(25)), Fact.of(Interval(None, Fraction(3)))):
        assert isinstance(parsed.matches(fact), bool)
    assert parsed.matches(Fact(State.UNKNOWN)) == (State.UNKNOWN in parsed.states)


def reference(random: Random) -> None:
    found = patient_in(text(random, "Patient/x", "https://fhir.example/Patient/x/_history/1", "urn:uuid:x", "Patient/"))
    assert found is None or (found and "/" not in found)


def drafts(random: Random) -> None:
    """Drugs, doses, routes and schedules: only the drafts are broken."""
    service, body = random.choice([r for r in holding.requests() if b'"draftOrders"' in r[1]])
    call = json.loads(body)
    orders = call["context"].get("draftOrders")
    if not isinstance(orders, dict) or not orders.get("entry"):
        return
    entry = random.choice(orders["entry"])
    broken = mutated(random, json.dumps(entry["resource"]).encode())
    if len(broken) > 100_000:
        return
    entry["resource"] = "THE-DRAFT"
    holding.answered_well(service, json.dumps(call).encode().replace(b'"THE-DRAFT"', broken))


_FEEDBACK = (
    b'{"feedback":[{"card":"00001e81-833b-8fd2-bf8c-ef614d7cef66","outcome":"accepted","outcomeTimestamp":'
    b'"2026-11-23T10:00:00.123456789+01:00","acceptedSuggestions":[{"id":"00001e81-833b-8fd2-bf8c-ef614d7cef66"}]},'
    b'{"card":"x","outcome":"overridden","outcomeTimestamp":"2026-11-23T23:59:60Z","overrideReason":{"reason":'
    b'{"code":"a","system":"b","display":"c"},"userComment":"d"}},{"card":"y","outcome":"overridden",'
    b'"outcomeTimestamp":"2026-11-23T10:00:00Z","overrideReasons":{"extension":'
    b'{"com.epic.cdshooks.feedback.overrideReason.reasonCategory":"4"}}}]}'
)


def feedback(random: Random) -> None:
    body, keep = mutated(random, _FEEDBACK), random.randrange(2) == 0
    try:
        read = decode_feedback(body, keep_comments=keep)
    except Fault as fault:
        assert fault.status == 400
        assert fault.path or not body.lstrip().startswith(b'{"feedback"') or "JSON" in fault.text or "UTF" in fault.text
        return
    for one in read:
        assert one.card and one.outcome in ("accepted", "overridden") and one.at.tzinfo is UTC
        assert "\0" not in "".join((one.card, *one.reason, one.comment, one.raw, *one.suggestions))
        json.loads(one.raw, parse_int=str)  # JSON has no largest number, Python's reader of it has
        for said in (one.card, one.raw, one.comment, *one.reason, *one.suggestions):
            said.encode("utf-8")  # a database keeps it


_KEYS = {"ES384": ECKey.generate_key("P-384", {"kid": "key-ES384"})}
_MAKER = Maker(_KEYS)
_CLIENTS = f"""base-urls = ["{BASE}"]
private-hosts = ["keys.example"]
[clients.ehr]
issuer = "{ISSUER}"
jwks-file = "KEYS"
tenants = ["a"]
algorithms = ["ES384"]
profile = "epic"
origins = ["https://ehr.example"]
fhir-servers = ["https://ehr.example/fhir"]
[clients.ehr.preference-list.hydroxocobalaminThreeWeekly]
system = "urn:x"
code = "1"
display = "One"
"""


class _Trust:
    """A verifier that knows one client, made when first asked for."""

    verifier: Verifier | None = None
    good = ""

    @classmethod
    def get(cls) -> Verifier:
        if cls.verifier is None:
            with tempfile.TemporaryDirectory() as folder:
                keys, path = Path(folder) / "keys.json", Path(folder) / "clients.toml"
                keys.write_text(json.dumps({"keys": [public(key) for key in _KEYS.values()]}))
                path.write_text(_CLIENTS.replace("KEYS", "keys.json").replace('tenants = ["a"]\n', ""))
                cls.verifier = Verifier(read_clients(path), used_tokens=UsedTokensInMemory())
                cls.verifier.verify(_MAKER.bearer(), SERVICE)  # the keys are read now
            cls.good = _MAKER.bearer(exp=int(datetime.now(UTC).timestamp()) + 3000)
        return cls.verifier


def token(random: Random) -> None:
    """Only a token that is signed may pass: none of these is, but the one that is as it was."""
    verifier = _Trust.get()
    good = _Trust.good
    if random.randrange(2):
        said = text(random, good, good.replace("Bearer", "bearer"), "Basic x", "Bearer a.b.c")
    else:
        claims = mutated(random, json.dumps(_MAKER.claims()).encode())
        header = mutated(random, json.dumps(_MAKER.header()).encode())
        said = f"Bearer {b64(header)}.{b64(claims)}.{text(random, 'AA', good.rpartition('.')[2])}"
    try:
        verifier.verify(said, text(random, SERVICE))
    except RefusedError as error:
        assert error.reason and len(error.reason) < 30
        return
    assert said.split()[-1].split(".")[:2] == good.split()[-1].split(".")[:2], "a token that nobody signed has passed"


def clients_file(random: Random) -> None:
    _toml(random, _CLIENTS, lambda path: read_clients(path).summary())


def site_file(random: Random) -> None:
    example = (packaged("cards").parent / "deploy" / "site.example.toml").read_text(encoding="utf-8")
    _toml(random, example, lambda path: read_site(path).digest)


def _toml(random: Random, good: str, read: Callable[[Path], object]) -> None:
    lines = good.splitlines()
    for _ in range(random.randrange(4)):
        at = random.randrange(len(lines))
        lines[at] = random.choice(
            ("", text(random, lines[at]), lines[at] + " = " + random.choice(FRAGMENTS), "[" * 300)
        )
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "KEYS").write_bytes(mutated(random, b'{"keys": [{"kty": "EC", "x": 1}]}'))
        path = Path(folder) / "file.toml"
        path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
        try:
            read(path)
        except ProblemsError as error:
            assert all(problem.path == path for problem in error.problems), error.problems


def encoding(random: Random) -> None:
    limit = random.choice((0, 10, 1000))
    plain = bytes(random.choice(b"ab{}\0") for _ in range(random.randrange(50))) * random.choice((1, 1, 100))
    body = bytearray(gzip.compress(plain, mtime=0))
    for _ in range(random.randrange(3)):
        body[random.randrange(len(body))] = random.randrange(256)
    cut = bytes(body[: random.randrange(len(body) + 1)]) if random.randrange(3) == 0 else bytes(body)
    try:
        said = decoded(cut + cut * random.randrange(2), text(random, "gzip", "x-gzip", "br", ""), limit)
    except TooLongError:
        return
    except Fault as fault:
        assert fault.status in (400, 415)
        return
    assert len(said) <= limit or said == cut or said == cut + cut


_ALLOWED = AllowedServers.of(["https://ehr.example/fhir"], open_bases=["http://open.example:8080/r4"])


def fhir_server(random: Random) -> None:
    """No spelling leads to a server that is not listed."""
    said = text(
        random, "https://ehr.example/fhir", "https://ehr.example:443/fhir/", "http://open.example:8080/r4",
        "https://ehr.example@127.0.0.1/fhir", "http://169.254.169.254/latest", "https://ehr.example/fhir/../x", "file:///etc",
    )  # fmt: skip
    try:
        assert _ALLOWED.find(said).base in ("https://ehr.example/fhir", "http://open.example:8080/r4")
    except NotAllowedError as error:
        assert "/latest" not in str(error), "the message holds a path"
    assert isinstance(is_loopback_host(said), bool)


_PAGE = (
    b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation"}}],'
    b'"link":[{"relation":"next","url":"https://ehr.example/fhir?page=2"}]}'
)


def page(random: Random) -> None:
    server = _ALLOWED.find("https://ehr.example/fhir")
    body = mutated(random, _PAGE)
    link = spelled(text(random, "https://ehr.example/fhir?page=2", "?page=2", "//x/fhir", "https://ehr.example/fhirx"))
    pages = SearchPages()
    try:
        following = pages.add(
            body.replace(b'"https://ehr.example/fhir?page=2"', link.encode("utf-8", "surrogatepass")),
            server,
            server.base,
        )
    except (NotFhirError, NotAllowedError):
        return
    assert not following or following.startswith("https://ehr.example/fhir"), following
    assert not following or following[24:25] in ("", "/", "?"), following
    raw = pages.raw()
    assert raw is not None and "resourceType" in json.loads(bytes(raw), parse_int=str)


def names(random: Random) -> None:
    """Ids that come from outside: uuids of cards and request ids."""
    ours = make_uuid(b"key", 7, "a")
    found = read_uuid(b"key", text(random, ours, ours.upper(), "x"))
    assert found in (None, 7)
    kept = request_id_of(text(random, "a-1", "x" * 64))
    assert kept.isascii() and 0 < len(kept) <= 64 and not set(kept) & set(' "\n\0')


TARGETS: Mapping[str, Target] = {
    "whole requests": holding.any_request,
    "draft orders": drafts,
    "feedback": feedback,
    "numbers": number,
    "quantities and units": quantity,
    "dates": date,
    "cells of tables": cell,
    "references": reference,
    "tokens": token,
    "clients.toml": clients_file,
    "site.toml": site_file,
    "gzip": encoding,
    "fhirServer": fhir_server,
    "pages of FHIR servers": page,
    "uuids and request ids": names,
}
# Cases in a second differ by a thousand times; these take the most, and have the most to find.
SLOW = ("whole requests", "draft orders", "clients.toml", "site.toml")
