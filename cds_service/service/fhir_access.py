"""What the settings and the clients allow of FHIR servers: which may be called, and what a call may cost."""

from __future__ import annotations

from cds_service.net.fhir_client import FetchLimits
from cds_service.net.servers import AllowedServers
from cds_service.settings import Settings
from cds_service.trust.clients import Clients


def allowed_servers(settings: Settings, clients: Clients | None) -> dict[str, AllowedServers]:
    """The FHIR servers that may be called for each client, by the client's name.

    While no clients are configured, the only name is ``""``, which stands for anybody: the servers of the settings may
    be called, and on a loopback host any server there.

    Raises:
        ValueError: one of them cannot be the base URL of a FHIR server.
    """
    if clients is None:
        anybody = AllowedServers.of(
            settings.fhir_servers,
            open_bases=settings.fhir_open_servers,
            private_hosts=settings.fhir_private_hosts,
            loopback=settings.loopback,
        )
        return {"": anybody}
    private = clients.private_hosts.union(settings.fhir_private_hosts)
    return {
        client.name: AllowedServers.of(client.fhir_servers, open_bases=client.open_fhir_servers, private_hosts=private)
        for client in clients.clients
    }


def fhir_limits(settings: Settings) -> FetchLimits:
    """What the FHIR searches of a request may cost: pages and bytes of each. How long they may take its client says."""
    return FetchLimits(
        pages=settings.fhir_max_pages,
        bytes=settings.fhir_max_bytes,
        ca_bundle=str(settings.fhir_ca_bundle) if settings.fhir_ca_bundle else None,
    )
