"""Which of the lines that were put aside are judged, and what is wrong with them: the SQL that all engines run.

The table ``sifted`` has what was put aside (``sieve.SIFTED``). ``whole`` and ``referred`` are made of it by the first
two queries, and are read by the others.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.chart.bearing import Bearing
from cds_service.chart.sent_entries import MOST_ENTRIES
from cds_service.fhir.order_types import ORDER_TYPES
from cds_service.population.line_problems import NOT_RESOLVED, UNKNOWN_PATIENT
from cds_service.population.selection import ENCOUNTER, LISTS, MEDICINE, OF_NOBODY, TREATMENTS


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


# Treatments are one list: each may tell of another. Orders of tests and of nutrition stand beside them in a session.
_LIST = f"CASE WHEN type IN ({_listed({*TREATMENTS, *ORDER_TYPES})}) THEN 'treatments' ELSE type END"
_OF_NOBODY = f"type IN ({_listed(OF_NOBODY)})"

WHOLE_LISTS = f"""
SELECT patient, {_LIST} AS list FROM sifted WHERE type IN ({_listed({*LISTS, *ORDER_TYPES})})
GROUP BY ALL HAVING max(bearing) = {int(Bearing.OPEN)} OR count(*) > {MOST_ENTRIES}
"""  # noqa: S608  (the program's own names)

REFERRED = f"""
SELECT patient, '{MEDICINE}' AS type, explode(medications) AS id FROM (
    SELECT *, {_LIST} AS list FROM sifted WHERE medications IS NOT NULL
) SEMI JOIN whole USING (patient, list)
UNION SELECT patient, '{ENCOUNTER}', encounter FROM sifted WHERE encounter IS NOT NULL
"""  # noqa: S608

# What is judged, in no order.
LINES_TO_JUDGE = f"""
SELECT patient, type, id, line FROM sifted WHERE bearing > {int(Bearing.ELSEWHERE)} AND NOT {_OF_NOBODY}
UNION ALL
SELECT patient, type, id, line FROM (SELECT *, {_LIST} AS list FROM sifted WHERE bearing = {int(Bearing.ELSEWHERE)})
SEMI JOIN whole USING (patient, list)
UNION ALL
SELECT referred.patient, type, id, line FROM referred JOIN (SELECT type, id, line FROM sifted WHERE {_OF_NOBODY})
USING (type, id)
"""  # noqa: S608

# Rows of a problem, the type and how often.
WRONG_LINES = f"""
SELECT '{UNKNOWN_PATIENT}' AS problem, type, count(*) AS times FROM sifted
ANTI JOIN (SELECT patient FROM sifted WHERE type = 'Patient') USING (patient)
WHERE NOT {_OF_NOBODY} GROUP BY type
UNION ALL
SELECT '{NOT_RESOLVED}', type, count(*) FROM referred
ANTI JOIN (SELECT id FROM sifted WHERE type = '{MEDICINE}') USING (id)
WHERE type = '{MEDICINE}' GROUP BY type
"""  # noqa: S608
