"""Which units a run names. The name of a unit is text of the record: that of a place in which one patient was treated
may tell who it was.
"""

from __future__ import annotations

from cds_service.population.shared_counts import FEWEST_PATIENTS

NAMED_UNITS = f"""
    select unit from events where unit is not null group by unit having count(distinct patient) >= {FEWEST_PATIENTS}
"""  # noqa: S608
"""The units of the table ``events`` that may be named. It is none where the table does not tell patients apart."""
