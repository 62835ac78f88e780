"""``cds-service serve``."""

from __future__ import annotations

import errno
import gc
import ipaddress
import os
import secrets
import shutil
import tempfile
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from cds_service.commands.common import WrongUseError, open_store, say, settings_of_environment
from cds_service.net.ports import claim_port, wait_until_listening
from cds_service.service.gate import clients_of
from cds_service.service.needed_files import refuse_unusable_files
from cds_service.service.served import Served, ServedPack
from cds_service.service.start import begin
from cds_service.service.web_server import granian_settings
from cds_service.settings import Settings, SettingsError, refuse_hidden_preview
from cds_service.trust.clients import Clients
from cds_service.vocabulary.problems import ProblemsError

_METRICS = "PROMETHEUS_MULTIPROC_DIR"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Port to listen on.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Worker processes.")
@click.option("--insecure", is_flag=True, help="Listen on a non-loopback host although nobody is authenticated.")
@click.option(
    "--record",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep requests in this folder, for replay. They hold patient data.",
)
@click.option("--deidentify", is_flag=True, help="Record without ids, names and dates of patients.")
@click.option(
    "--preview",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Show the content in this folder in the console too; it need not be locked, and no client gets it.",
)
def serve(
    host: str,
    port: int,
    workers: int,
    insecure: bool,
    record: Path | None,
    deidentify: bool,
    preview: Path | None,
) -> None:
    """Serve over HTTP.

    Example: cds-service serve --port 8080 --workers 2
    """
    loopback = _is_loopback(host)
    settings = settings_of_environment()
    settings = settings.model_copy(update={"loopback": loopback, "insecure": insecure or settings.insecure})
    settings = _with_recordings(settings, record, deidentify)
    settings = _with_preview(settings, preview, workers)
    _refuse_unusable_files(settings)
    if not loopback and not settings.insecure and settings.clients is None:
        raise WrongUseError(f"{host} is not a loopback host and no clients are configured; use --insecure to serve")
    with _claim(host, port):
        _serve(settings, host, port, workers)


def _serve(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serves on a port that is claimed, until it is told to stop.

    Raises:
        ClickException: what is to be served cannot be.
    """
    from granian.server.mp import MPServer

    from cds_service.service.fhir_access import allowed_servers

    store = open_store(settings)  # its tables are brought up to date before the port is opened
    store.close()
    try:
        begun = begin(settings, store.key)
        served = begun.served
        are_all = all(state.served is not None for state in begun.packs)
        clients = clients_of(settings, served.services, served.templates, are_all=are_all)
        allowed_servers(settings, clients)
    except ProblemsError as error:
        raise click.ClickException(str(error)) from None
    except ValueError as error:
        raise WrongUseError(str(error)) from None
    if store.problem:
        say(f"The store {store.where} cannot be used, so feedback is refused: {store.problem}", err=True)
        os.environ.setdefault("CDS_SERVICE_KEY", secrets.token_hex(32))  # one key for all workers all the same
    for state in begun.packs:
        if state.served is None:
            say(f"Refused, and nothing of {state.id} is served: {state.problem}", err=True)
        elif state.problems:
            say(f"Refused, the last good one is served: {state.problem}", err=True)
        elif state.is_edited:
            say(f"{state.id} is served as it was locked; its files have changed since: cds-service check", err=True)
    if begun.site_problem:
        say(f"Refused, the last good one is served: {begun.site_problem}", err=True)
    metrics = _pass_to_workers(settings, workers)
    _share_with_workers(settings)

    class Server(MPServer):
        """The web server, which says where it listens when it does: who calls at once is answered."""

        def startup(self, *loaders: Any) -> None:
            super().startup(*loaders)  # type: ignore[no-untyped-call]  # Granian does not say
            wait_until_listening(host, port, lambda: self.interrupt_signal or bool(self.interrupt_children))
            _tell(settings, host, port, served, clients)
            if not store.problem:
                say(f"Feedback is kept in {store.where}")

    server = Server("cds_service.service.app:front", factory=True, **granian_settings(host, port, workers))
    if metrics is None:
        server.serve()
        return
    # Made when signals are heeded already, so that whoever stops the service does not leave it behind.
    server.on_startup(lambda: metrics.mkdir(mode=0o700))
    try:
        server.serve()
    finally:
        shutil.rmtree(metrics, ignore_errors=True)


def _tell(settings: Settings, host: str, port: int, served: Served, clients: Clients | None) -> None:
    """Says what is served to whom, and what the site has switched off."""
    say(f"CDS Hooks on http://{host}:{port}/cds-services ({'; '.join(map(_told, served.packs))})")
    say(f"May call: {clients.summary() if clients else 'anybody who reaches it; no clients are configured'}")
    off = [name for one in served.packs for name in one.off]
    rules_off = [topic for one in served.packs for topic in one.withdrawn]
    for kind, names in (("Decisions", off), ("Rules", rules_off)):
        if names:
            say(f"{kind} that the site has switched off: {', '.join(names)}", err=True)
    for warning in clients.warnings(port) if clients else ():
        say(warning, err=True)
    _warn_of_recordings(settings)
    if settings.preview is not None:
        say(f"Preview of {settings.preview}, for this console only: http://{host}:{port}/preview")


def _share_with_workers(settings: Settings) -> None:
    """Imports here what every worker needs and keeps it from collections, so that workers, which are forked, have it at
    once and in the same memory. It comes after ``_pass_to_workers``, because what is imported looks at the environment.
    """
    import_module("cds_service.service.app")
    if not settings.console_problem:
        import_module("cds_service.service.consoles")
    gc.freeze()


def _told(one: ServedPack) -> str:
    """A pack that is served, in a few words."""
    review = one.prepared.standing(datetime.now(UTC)).note
    note = review if one.prepared.shown else "unreviewed content runs as shadow: no cards are shown"
    return "; ".join(filter(None, [f"{one.pack.title} {one.pack.version}", note]))


def _claim(host: str, port: int) -> AbstractContextManager[object]:
    """Takes the port, before anything is said or changed: two services would share its calls (Z84).

    Raises:
        ClickException: it is taken, or cannot be listened on.
    """
    try:
        return claim_port(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise click.ClickException(
                f"Port {port} of {host} is taken: another program listens there; choose another with --port"
            ) from None
        way_out = (
            "choose another with --port" if error.errno == errno.EACCES else "name one of this machine with --host"
        )
        raise click.ClickException(
            f"Port {port} of {host or 'no host'} cannot be listened on: {error.strerror}; {way_out}"
        ) from None


def _pass_to_workers(settings: Settings, workers: int) -> Path | None:
    """Puts what the command line says into the environment, from which each worker makes its own settings.

    Several workers share a folder for their metrics. Returned is the one that is to be made for that, ``None`` if there
    is none to make.
    """
    os.environ["CDS_SERVICE_LOOPBACK"] = "1" if settings.loopback else "0"
    os.environ["CDS_SERVICE_INSECURE"] = "1" if settings.insecure else "0"
    if settings.record is not None:
        os.environ["CDS_SERVICE_RECORD"] = str(settings.record)
        os.environ["CDS_SERVICE_RECORD_DEIDENTIFIED"] = "1" if settings.record_deidentified else "0"
    if settings.preview is not None:
        os.environ["CDS_SERVICE_PREVIEW"] = str(settings.preview)
    if workers > 1:
        # A token that was used at one worker must count as used at all of them (SEC-14).
        os.environ.setdefault("CDS_SERVICE_REPLAY_STORE", "database")
        if _METRICS not in os.environ:
            metrics = Path(tempfile.gettempdir(), f"cds-service-metrics-{secrets.token_hex(8)}")
            os.environ[_METRICS] = str(metrics)
            return metrics
    return None


def _with_recordings(settings: Settings, record: Path | None, deidentify: bool) -> Settings:
    """The settings with what the command line says about recordings; it cannot undo what the environment protects.

    Raises:
        WrongUseError: the folder is not named or cannot be made, or requests that come from other machines would be
            recorded without being de-identified.
    """
    folder = record or settings.record
    deidentified = deidentify or settings.record_deidentified
    if folder is None:
        if deidentify:
            raise WrongUseError("--deidentify is about recordings; name their folder with --record")
        return settings
    if not settings.loopback and not deidentified:
        raise WrongUseError("where others than this machine call, requests are recorded only with --deidentify")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise WrongUseError(f"{folder} cannot be used for recordings: {error.strerror}") from None
    return settings.model_copy(update={"record": folder.absolute(), "record_deidentified": deidentified})


def _with_preview(settings: Settings, folder: Path | None, workers: int) -> Settings:
    """The settings with the folder of the preview that the command line names.

    Raises:
        WrongUseError: the console is off, or several workers would each know of another state of the preview.
    """
    settings = settings.model_copy(update={"preview": folder.absolute()}) if folder is not None else settings
    try:
        refuse_hidden_preview(settings)
    except SettingsError as error:
        raise WrongUseError(str(error)) from None
    if settings.preview is not None and workers > 1:
        raise WrongUseError("a preview is for one person at one worker; leave out --workers or --preview")
    return settings


def _refuse_unusable_files(settings: Settings) -> None:
    """``refuse_unusable_files``, told as wrong use of the command."""
    try:
        refuse_unusable_files(settings)
    except SettingsError as error:
        raise WrongUseError(str(error)) from None


def _warn_of_recordings(settings: Settings) -> None:
    if settings.record is None:
        return
    if settings.record_deidentified:
        what_they_hold = (
            "without ids, names and true dates, some hours later or when the service ends; "
            "they are still about patients: keep them like a record"
        )
    else:
        what_they_hold = "with all patient data in them: protect the folder, and delete it when it has served"
    say(f"requests are recorded in {settings.record}, {what_they_hold}", err=True)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
