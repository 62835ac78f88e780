"""Files that the first calls will need: a setting that names one that cannot be used stops the start."""

from __future__ import annotations

from cds_service.net.certificates import refuse_without_certificates
from cds_service.service.logs import begin_audit
from cds_service.settings import Settings, SettingsError


def refuse_unusable_files(settings: Settings) -> None:
    """Refuses files that would only fail later, unseen: each search of a FHIR server, each line of the audit.

    Raises:
        SettingsError: the file of certificates cannot be read or holds none, or nothing can be appended to the audit.
    """
    if settings.fhir_ca_bundle is not None:
        try:
            refuse_without_certificates(settings.fhir_ca_bundle)
        except ValueError as error:
            raise SettingsError(f"CDS_SERVICE_FHIR_CA_BUNDLE cannot be used: {error}") from None
        except OSError as error:
            raise SettingsError(f"CDS_SERVICE_FHIR_CA_BUNDLE cannot be used: {_why(error)}") from None
    if settings.audit is not None:
        try:
            begin_audit(settings.audit)
        except OSError as error:
            raise SettingsError(f"CDS_SERVICE_AUDIT cannot be used: {_why(error)}") from None


def _why(error: OSError) -> str:
    why = error.strerror or type(error).__name__
    return f"{why[:1].lower()}{why[1:]}"
