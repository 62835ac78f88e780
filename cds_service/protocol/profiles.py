"""Profiles of clients: what each kind of client can use of a card. The findings are the same for all of them.

``2.0``, ``3.0`` and ``sandbox`` get cards in the common form (V-03, Z25): members that only one version knows are not
sent. In discovery, ``3.0`` is told the versions of specification and hooks (D-09).
``epic`` can carry out no update, takes one action in a suggestion and any number of suggestions, and orders only what
is on its preference list (Z7; fhir.epic.com, CDS Hooks).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

NAMES = ("2.0", "3.0", "epic", "sandbox")


class Profile(msgspec.Struct, frozen=True):
    """How one client is answered. ``preference_list`` maps order templates to the client's own Codings of them.

    ``issuer`` is that of the client's tokens; it tells a hookInstance of this client from the same one of another
    (Z18).
    """

    name: str = "2.0"
    preference_list: Mapping[str, Mapping[str, str]] = msgspec.field(default_factory=dict)
    issuer: str = ""

    @property
    def updates(self) -> bool:
        """Whether an ``update`` action can be carried out."""
        return self.name != "epic"

    @property
    def selections(self) -> tuple[str, ...]:
        """The values of ``selectionBehavior`` that the client honours."""
        return ("any",) if self.name == "epic" else ("any", "at-most-one")


COMMON = Profile()
