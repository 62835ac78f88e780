"""Settings from the environment, each ``CDS_SERVICE_<NAME>``; defaults serve a laptop. Imports nothing of ours."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cds_service.packaged import packaged


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
    accept_unreviewed_content: bool = Field(
        default=False, description="show cards of unreviewed content on a non-loopback host (Z15)"
    )
    loopback: bool = Field(default=False, description="set by serve when it listens on loopback only")

    clients: Path | None = Field(default=None, description="who may call, a clients.toml; anybody if unset")
    insecure: bool = Field(default=False, description="set by serve --insecure: open although not on loopback")
    default_profile: Literal["2.0", "3.0", "epic", "sandbox"] = Field(
        default="2.0", description="how a client that names no profile is answered (Z25)"
    )
    token_leeway_seconds: float = Field(default=60, ge=0, le=60, description="skew of clocks, in seconds (SEC-08)")
    token_life_seconds: float = Field(default=3600, gt=0, description="longest life of a token, in seconds (SEC-08)")
    key_set_seconds: float = Field(
        default=600, ge=1, description="how long a key set is used before it is read again, in seconds (SEC-13)"
    )
    replay_protection: bool = Field(
        default=True, description="a token serves one call and its retries; some test kits reuse tokens (Z28)"
    )
    open_discovery: bool = Field(default=True, description="discovery needs no token; it holds no patient's data")

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        ZoneInfo(value)
        return value

    def uuid_key(self) -> bytes:
        """The key as bytes of fixed length."""
        return hashlib.sha256(self.key.encode()).digest()
