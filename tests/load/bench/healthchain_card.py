"""A fixed card served by HealthChain's own CDS Hooks server, which ``peers.py`` starts in an environment of its own.

Only HealthChain is imported here: nothing of the project is installed there.
"""

from __future__ import annotations

from healthchain.gateway import CDSHooksService, HealthChainAPI
from healthchain.models import Card, CDSRequest, CDSResponse
from healthchain.models.responses.cdsresponse import Source

hooks = CDSHooksService()


@hooks.hook("order-select", id="fixed-card")
def fixed_card(request: CDSRequest) -> CDSResponse:
    return CDSResponse(cards=[Card(summary="A fixed card", indicator="info", source=Source(label="peer"))])


app = HealthChainAPI()
app.register_service(hooks)
