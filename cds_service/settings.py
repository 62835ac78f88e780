"""Settings from the environment, each ``CDS_SERVICE_<NAME>``; the defaults suit a laptop.

A name that is no setting and a value that cannot be one stop the start, because a setting that goes unnoticed may be
the one that names who may call (Z83).
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cds_service.packaged import packaged

_PREFIX = "CDS_SERVICE_"
_KEY_BYTES = 32
# A list in an environment variable: with commas between, or JSON.
_Names = Annotated[tuple[str, ...], NoDecode]
# Folders as in PATH.
_Folders = Annotated[tuple[Path, ...], NoDecode]
# What Kubernetes makes of Services: forms of a name, each with the form of its value.
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_ADDRESS, _NUMBER, _URL = r"[0-9.]+|[0-9a-fA-F:.]+", r"\d+", r"(tcp|udp|sctp)://.+"
_OF_SERVICES = {
    r"CDS_SERVICE_(\w+_)?SERVICE_HOST": _ADDRESS,
    r"CDS_SERVICE_(\w+_)?SERVICE_PORT(_\w+)?": _NUMBER,
    r"CDS_SERVICE_(\w+_)?PORT": _URL,
    r"CDS_SERVICE_(\w+_)?PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?": r".+",
}
# Of a Service called cds, which has a CDS_PORT too; without that a person wrote them, to set a host or a port.
_OF_CDS = {r"CDS_SERVICE_HOST": _ADDRESS, r"CDS_SERVICE_PORT(_\w+)?": _NUMBER}


class SettingsError(ValueError):
    """The environment cannot be used. The message names each variable, and repeats no value: it may be a secret."""


class Settings(BaseSettings):
    """What may be set; each description names the setting's unit or the requirement that it answers to."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX)

    cards: _Folders = Field(
        default_factory=lambda: (packaged("cards"),),
        description="folders of content, with the separator of PATH between; each holds packs, or is the folder of "
        "one; the word packaged stands for the content that came with this software",
    )
    site: Path | None = Field(
        default=None, description="the hospital's own codes, orderables, look-backs and switches, a site.toml (Z31)"
    )
    time_zone: str = Field(
        default="UTC", description="the hospital's time zone, for dates without one, an IANA name (Z32)"
    )
    key: str | None = Field(
        default=None,
        repr=False,
        description="secret of 32 bytes or more that makes the uuids of cards, the same for all instances; if unset "
        "made once and kept in the store (Z18)",
    )
    store: str = Field(
        default_factory=lambda: _default_store(),
        repr=False,  # it may hold a password
        description="database of feedback and counts: a file of SQLite, such as /var/lib/cds-service/store.sqlite3, or "
        "postgresql+psycopg://USER@HOST/DATABASE, which needs psycopg[binary]; sqlite:///FILE names a file too, with "
        "four slashes if its path begins at the root",
    )
    state: Path = Field(
        default_factory=lambda: _state_folder(),
        description="folder for what the next process needs: copies of the last good content, and used tokens",
    )
    keep_comments: bool = Field(
        default=False, description="keep what clinicians write freely in feedback; it may name the patient (FB-18)"
    )
    max_body_bytes: int = Field(default=20_000_000, gt=0, description="largest request body accepted (J-09)")
    processor_ms: int = Field(
        default=5000, gt=0, description="milliseconds of processor time that one call may take; then it is answered 503"
    )
    direct_calls: bool = Field(
        default=True, description="answer calls of services without Flask, which is quicker and otherwise the same"
    )
    default_profile: Literal["2.0", "3.0", "epic", "sandbox"] = Field(
        default="2.0",
        description="how clients are answered of which nothing else is known; epic: no updates, one action a "
        "suggestion (Z25)",
    )
    accept_unreviewed_content: bool = Field(
        default=False, description="show cards of unreviewed content on a non-loopback host (Z15)"
    )
    console: Literal["auto", "on", "off"] = Field(
        default="auto", description="the pages at /; auto shows them on loopback only, and not where clients are named"
    )
    preview: Path | None = Field(
        default=None,
        description="set by serve --preview: folder of content that need not be locked; the console alone shows it, at "
        "/preview",
    )
    runs: Path | None = Field(
        default=None,
        description="folder of population runs: the console shows them, and the cards that are shown are held against "
        "the newest run of the content that is served",
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="how the log on stderr is written; auto is text on a terminal, else json"
    )
    log_calls: bool = Field(default=True, description="a line in the log for each call, without data of patients")
    audit: Path | None = Field(
        default=None, description="file that a line is appended to for each call: who, when, what; ids hashed (SEC-21)"
    )
    record: Path | None = Field(
        default=None,
        description="set by serve --record: folder that requests are kept in for replay; they hold patient data",
    )
    record_deidentified: bool = Field(
        default=False,
        description="set by serve --deidentify: recordings without ids, names and true dates, decided as before; they "
        "are written hours later, or when the process ends",
    )
    record_most: int = Field(default=10_000, gt=0, description="most recordings that are kept")
    record_most_bytes: int = Field(default=1_000_000_000, gt=0, description="most bytes that recordings take together")
    loopback: bool = Field(
        default=False, description="set by serve; under another WSGI server it says that only this machine can reach it"
    )

    clients: Path | None = Field(default=None, description="who may call, a clients.toml; anybody if unset")
    insecure: bool = Field(
        default=False,
        description="anybody may call, although no clients are configured; serve --insecure says the same",
    )
    token_leeway_seconds: float = Field(default=60, ge=0, le=60, description="skew of clocks, in seconds (SEC-08)")
    token_life_seconds: float = Field(default=3600, gt=0, description="longest life of a token, in seconds (SEC-08)")
    key_set_seconds: float = Field(
        default=600, ge=1, description="how long a key set is used before it is read again, in seconds (SEC-13)"
    )
    replay_protection: bool = Field(
        default=True, description="a token serves one call and its retries; some test kits reuse tokens (Z28)"
    )
    replay_store: Literal["memory", "database"] = Field(
        default="memory", description="where used tokens are kept; serve with several workers takes the database (Z28)"
    )
    open_discovery: bool = Field(default=True, description="discovery needs no token; it holds no patient's data")

    fhir_servers: _Names = Field(
        default=(),
        description="base URLs of the FHIR servers that may be called with the token of the call, with commas between "
        "or as JSON; https unless you write http (FA-08)",
    )
    fhir_open_servers: _Names = Field(
        default=(),
        description="the same, for servers that may also be called without a token: public sandboxes (FA-01)",
    )
    fhir_private_hosts: _Names = Field(
        default=(),
        description="names of FHIR servers that may stand for private addresses, as inside a hospital (FA-08)",
    )
    fhir_budget_ms: int = Field(
        default=1_500,
        ge=0,
        description="milliseconds for all FHIR calls of one request together, for clients without one of their own "
        "(FA-09, Z88)",
    )
    fhir_max_pages: int = Field(default=5, gt=0, description="most pages read of one search (PF-25)")
    fhir_max_bytes: int = Field(default=5_000_000, gt=0, description="most bytes read of one search")
    fhir_ca_bundle: Path | None = Field(
        default=None,
        description="file of certificates to trust for FHIR servers instead of the usual ones; "
        "read once for each server",
    )

    @field_validator("fhir_servers", "fhir_open_servers", "fhir_private_hosts", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("["):
            return json.loads(value)
        return tuple(filter(None, (name.strip() for name in value.split(","))))

    @field_validator("cards", mode="before")
    @classmethod
    def _as_in_path(cls, value: Any) -> Any:
        if isinstance(value, str | Path):
            named = filter(None, str(value).split(os.pathsep))
            value = tuple(packaged("cards") if name == "packaged" else Path(name) for name in named)
        if not value:
            raise ValueError("it names no folder")
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):  # an unknown name, one that leads elsewhere, a folder of names
            raise ValueError("it is no time zone that this machine knows, such as Europe/Berlin") from None
        return value

    @field_validator("key")
    @classmethod
    def _not_guessed(cls, value: str | None) -> str | None:
        """A word is found from the uuid of one card; what hangs on the key are also the hashes of the audit."""
        if value is not None and len(value.encode()) < _KEY_BYTES:
            raise ValueError(f"it has less than {_KEY_BYTES} bytes; make one with: openssl rand -hex 32")
        return value

    @property
    def console_problem(self) -> str:
        """Why the console is off, ``""`` if it is on."""
        if self.console == "on":
            return ""
        if self.console == "off":
            return "CDS_SERVICE_CONSOLE is off"
        if self.clients is not None:
            return "clients are named with CDS_SERVICE_CLIENTS, so that a proxy may stand before this service"
        return "" if self.loopback else "other machines can reach this service"

    def uuid_key(self) -> bytes | None:
        """The key as 32 bytes, whatever its length from there on; ``None`` if it is not set."""
        return hashlib.sha256(self.key.encode()).digest() if self.key else None


def read_settings() -> Settings:
    """The settings of the environment.

    Raises:
        SettingsError: a variable has a name like a setting and is none, except those that Kubernetes makes of Services
            (Z83), or a value cannot be used.
    """
    names = [name for name in sorted(os.environ) if name.upper().startswith(_PREFIX)]
    known = [f"{_PREFIX}{name.upper()}" for name in Settings.model_fields]
    of_kubernetes = kubernetes_names(os.environ)
    faults = [
        f"{name} is no setting; the nearest is {_nearest(name, known)}"
        for name in names
        if name.upper() not in known and name not in of_kubernetes
    ]
    if faults:
        raise SettingsError("; ".join(faults))
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("; ".join(map(_told, error.errors()))) from None


def refuse_hidden_preview(settings: Settings) -> None:
    """Refuses a preview that nobody would see.

    Raises:
        SettingsError: there is a preview, and the console, which alone shows it, is off.
    """
    if settings.preview is not None and settings.console_problem:
        raise SettingsError(
            "a preview (serve --preview, CDS_SERVICE_PREVIEW) is shown in the console only, and the console is off: "
            f"{settings.console_problem}; serve on 127.0.0.1 without clients, or set CDS_SERVICE_CONSOLE=on"
        )


def kubernetes_names(environment: Mapping[str, str]) -> list[str]:
    """The variables that Kubernetes makes of Services and that look like settings, by name (Z83)."""
    forms = _OF_SERVICES | (_OF_CDS if re.fullmatch(_URL, environment.get("CDS_PORT", "")) else {})
    return sorted(
        name
        for name, value in environment.items()
        if any(re.fullmatch(form, name) and re.fullmatch(said, value) for form, said in forms.items())
    )


def _nearest(name: str, known: Collection[str]) -> str:
    return difflib.get_close_matches(name.upper(), known, n=1, cutoff=0)[0]


def _told(fault: ErrorDetails) -> str:
    """A value that cannot be used, by the name of its variable and what it should be."""
    variable = f"{_PREFIX}{str(fault['loc'][0]).upper()}" if fault["loc"] else "the settings"
    why = fault["msg"].removeprefix("Value error, ")
    return f"{variable} cannot be used: {why[:1].lower()}{why[1:]}"


def traces_are_wanted() -> bool:
    """Whether spans of calls are to be sent to a collector.

    Only the variables of OpenTelemetry say so. They say where and how as well, and a setting of this service could only
    contradict them. https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
    """
    environment = os.environ
    endpoint = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    is_disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return bool(endpoint) and not is_disabled and (environment.get("OTEL_TRACES_EXPORTER") or "otlp") == "otlp"


def _default_store() -> str:
    """The URL of a SQLite file where state is kept."""
    return f"sqlite:///{_state_folder() / 'store.sqlite3'}"


def _state_folder() -> Path:
    """The user's folder for state that is to last (XDG Base Directory Specification).

    It does not depend on the folder that the service is started in.
    """
    try:
        state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    except RuntimeError:  # a user without a home
        state = Path()
    return state / "cds-service"
