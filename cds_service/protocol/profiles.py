"""What kinds of clients can use of a card: one finding, rendered as each client can take it. Imports nothing of ours.

``2.0``, ``3.0`` and ``sandbox`` take cards in the common form (V-03, Z25): members that only one version knows are not
sent. Discovery tells ``3.0`` its versions (D-09).
``epic`` takes no update, one action a suggestion, any number of suggestions, and orders only from its preference list
(Z7; fhir.epic.com, CDS Hooks).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NAMES = ("2.0", "3.0", "epic", "sandbox")


@dataclass(frozen=True, slots=True)
class Profile:
    """How one client is answered. ``preference_list`` maps an order template to the client's own Coding of it.

    ``issuer`` is who signs its tokens: what tells its hookInstances from those of others (Z18).
    """

    name: str = "2.0"
    preference_list: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    issuer: str = ""

    @property
    def updates(self) -> bool:
        """Whether an ``update`` action can be carried out."""
        return self.name != "epic"

    @property
    def selections(self) -> tuple[str, ...]:
        """The values of ``selectionBehavior`` that are honoured."""
        return ("any",) if self.name == "epic" else ("any", "at-most-one")


COMMON = Profile()
