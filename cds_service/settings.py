"""Settings from the environment, each ``CDS_SERVICE_<NAME>``; defaults serve a laptop. Imports nothing of ours."""

from __future__ import annotations

import hashlib
import json
import secrets
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cds_service.packaged import packaged

# A list in an environment variable: with commas between, or JSON.
_Names = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """What a deployer may set."""

    model_config = SettingsConfigDict(env_prefix="CDS_SERVICE_")

    cards: Path = Field(default_factory=lambda: packaged("cards"), description="folder of the content pack")
    site: Path | None = Field(default=None, description="the site's overlay, a site.toml (Z31); none if unset")
    time_zone: str = Field(default="UTC", description="the hospital's time zone, an IANA name (Z32)")
    key: str = Field(
        default_factory=lambda: secrets.token_hex(32),
        description="secret that makes uuids of cards; shared by instances; made anew at each start if unset (Z18)",
    )
    max_body_bytes: int = Field(default=20_000_000, gt=0, description="largest request body accepted (J-09)")
    default_profile: Literal["2.0", "3.0", "epic", "sandbox"] = Field(
        default="2.0", description="how clients are answered of which nothing else is known (Z25)"
    )
    accept_unreviewed_content: bool = Field(
        default=False, description="show cards of unreviewed content on a non-loopback host (Z15)"
    )
    loopback: bool = Field(default=False, description="set by serve when it listens on loopback only")

    fhir_servers: _Names = Field(
        default=(), description="base URLs of the FHIR servers that may be called, with the token of the call (FA-08)"
    )
    fhir_open_servers: _Names = Field(
        default=(), description="base URLs of FHIR servers that may also be called without a token (FA-01)"
    )
    fhir_private_hosts: _Names = Field(
        default=(), description="names of FHIR servers whose addresses may be private ones (FA-08)"
    )
    fhir_budget_ms: int = Field(
        default=400, ge=0, description="milliseconds for all FHIR calls of one request together (FA-09)"
    )
    fhir_max_pages: int = Field(default=5, gt=0, description="most pages read of one search (PF-25)")
    fhir_max_bytes: int = Field(default=5_000_000, gt=0, description="most bytes read of one search")
    fhir_ca_bundle: Path | None = Field(
        default=None, description="file of certificates to trust for FHIR servers instead of the usual ones"
    )

    @field_validator("fhir_servers", "fhir_open_servers", "fhir_private_hosts", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("["):
            return json.loads(value)
        return tuple(filter(None, (name.strip() for name in value.split(","))))

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        ZoneInfo(value)
        return value

    def uuid_key(self) -> bytes:
        """The key as bytes of fixed length."""
        return hashlib.sha256(self.key.encode()).digest()
