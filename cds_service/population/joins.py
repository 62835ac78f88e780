"""Which of the lines that were put aside are judged, and what is wrong with them: the SQL that all engines run.

The table ``sifted`` has what was put aside (``sieve.SIFTED``). ``repeated``, ``versions``, ``latest``, ``whole`` and
``referred`` are made by the first queries, one after another, and are read by those that follow.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.chart.bearing import Bearing
from cds_service.chart.sent_entries import MOST_ENTRIES
from cds_service.fhir.order_types import ORDER_TYPES
from cds_service.population.line_problems import NOT_RESOLVED, OLDER_VERSION, UNDATED_VERSIONS, UNKNOWN_PATIENT
from cds_service.population.selection import ENCOUNTER, LISTS, MEDICINE, OF_NOBODY, TREATMENTS
from cds_service.population.sieve import PASSED


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


# Treatments are one list: each may tell of another. Orders of tests and of nutrition stand beside them in a session.
_LIST = f"CASE WHEN type IN ({_listed({*TREATMENTS, *ORDER_TYPES})}) THEN 'treatments' ELSE type END"
_OF_NOBODY = f"type IN ({_listed(OF_NOBODY)})"

# Of the lines of a resource the one with the greatest rank is judged. Where versions are equal, nothing tells which is
# newer: it is the one that bears the most, and of these that of the last patient. That is a guess, but always the same,
# and it is counted. A space sorts before all that a version may go on with.
_RANK = f"version || ' ' || CAST(bearing - {PASSED} AS STRING) || patient"
_OF_ONE_RESOURCE = "sifted.type = versions.type AND sifted.id = versions.id"

# Hashes of the resources of which there is more than one line: of a whole export, numbers take less room than names.
REPEATED = """
SELECT xxhash64(type, id) AS hash FROM sifted WHERE id <> '' GROUP BY ALL HAVING count(*) > 1
"""

# The resources of which there are several versions, one of them at least put aside: the last version, and its rank.
VERSIONS = f"""
SELECT type, id, max(version) AS last_version, max({_RANK}) AS last_rank FROM sifted
WHERE id <> '' AND xxhash64(type, id) IN (SELECT hash FROM repeated)
GROUP BY type, id HAVING min({_RANK}) < max({_RANK}) AND max(bearing) > {PASSED}
"""  # noqa: S608  (the program's own names)

LATEST = f"""
SELECT sifted.* FROM sifted LEFT JOIN versions ON {_OF_ONE_RESOURCE}
WHERE bearing > {PASSED} AND (last_rank IS NULL OR {_RANK} = last_rank)
"""  # noqa: S608

# The same where nothing is repeated, as is the rule.
LATEST_OF_ONE_VERSION = f"SELECT * FROM sifted WHERE bearing > {PASSED}"  # noqa: S608

# What is left out because of another version: rows of a problem, the type and how often. Of what is found by its id
# only what is referred to: how much else was put aside depends on the files of an export.
OTHER_VERSIONS = f"""
SELECT CASE WHEN version = last_version THEN '{UNDATED_VERSIONS}' ELSE '{OLDER_VERSION}' END AS problem,
    sifted.type AS type, count(*) AS times
FROM sifted JOIN versions ON {_OF_ONE_RESOURCE} WHERE {_RANK} <> last_rank
    AND (NOT sifted.{_OF_NOBODY} OR (sifted.type, sifted.id) IN (SELECT type, id FROM referred))
GROUP BY ALL
"""  # noqa: S608

WHOLE_LISTS = f"""
SELECT patient, {_LIST} AS list FROM latest WHERE type IN ({_listed({*LISTS, *ORDER_TYPES})})
GROUP BY ALL HAVING max(bearing) = {int(Bearing.OPEN)} OR count(*) > {MOST_ENTRIES}
"""  # noqa: S608  (the program's own names)

REFERRED = f"""
SELECT patient, '{MEDICINE}' AS type, explode(medications) AS id FROM (
    SELECT *, {_LIST} AS list FROM latest WHERE medications IS NOT NULL
) SEMI JOIN whole USING (patient, list)
UNION SELECT patient, '{ENCOUNTER}', encounter FROM latest WHERE encounter IS NOT NULL
"""  # noqa: S608

# What is judged, in no order.
LINES_TO_JUDGE = f"""
SELECT patient, type, id, line FROM latest WHERE bearing > {int(Bearing.ELSEWHERE)} AND NOT {_OF_NOBODY}
UNION ALL
SELECT patient, type, id, line FROM (SELECT *, {_LIST} AS list FROM latest WHERE bearing = {int(Bearing.ELSEWHERE)})
SEMI JOIN whole USING (patient, list)
UNION ALL
SELECT referred.patient, type, id, line FROM referred JOIN (SELECT type, id, line FROM latest WHERE {_OF_NOBODY})
USING (type, id)
"""  # noqa: S608

# Rows of a problem, the type and how often.
WRONG_LINES = f"""
SELECT '{UNKNOWN_PATIENT}' AS problem, type, count(*) AS times FROM latest
ANTI JOIN (SELECT patient FROM latest WHERE type = 'Patient') USING (patient)
WHERE NOT {_OF_NOBODY} GROUP BY type
UNION ALL
SELECT '{NOT_RESOLVED}', type, count(*) FROM referred
ANTI JOIN (SELECT id FROM latest WHERE type = '{MEDICINE}') USING (id)
WHERE type = '{MEDICINE}' GROUP BY type
"""  # noqa: S608
