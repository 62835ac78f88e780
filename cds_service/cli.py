"""The command ``cds-service`` and its verbs. Exit status: 0 all is well, 1 findings or failures, 2 wrong use."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from cds_service import __version__

_VERBS = (
    "bump",
    "check",
    "coverage",
    "explain",
    "export",
    "fire",
    "impact",
    "new",
    "population",
    "replay",
    "report",
    "sample",
    "serve",
    "token",
)


# What a verb imports and reads is kept: to look for cycles in it again and again took a tenth of a start.
_OBJECTS_BEFORE_COLLECTION = 1_000_000


class _Verbs(click.Group):
    """Imports a verb only when it is called, so that ``serve`` does not wait for what the others need."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        command: click.Command = getattr(import_module(f"cds_service.commands.{cmd_name}"), cmd_name)
        return command

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Runs a verb; whatever it cannot do is one sentence, which may quote names and words of others.

        Who reads the output and has enough of it (``| head``) is told nothing.
        """
        gc.set_threshold(_OBJECTS_BEFORE_COLLECTION)
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            status = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.ClickException as error:
            _end(_told(error), error.exit_code)
        except click.Abort:
            _end("Stopped before it was done.", 1)
        except OSError as error:
            from cds_service.commands.common import system_words

            _end(f"Error: {system_words(error)}", 1)
        sys.exit(status if isinstance(status, int) else 0)


def _told(error: click.ClickException) -> str:
    """The message of an error; where the command was written in a wrong way, with where to read how it is written."""
    message = error.format_message()
    if isinstance(error, click.UsageError):
        message = " ".join(message.split())
        is_value = isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter)
        if error.ctx is not None and not is_value:
            message = f"{message.rstrip('.')}. See {error.ctx.command_path} --help"
    return f"Error: {message}"


def _end(message: str, status: int) -> None:
    """Tells why the command ends, and ends it."""
    from cds_service.commands.common import say

    with contextlib.suppress(OSError):  # nobody can be told
        say(message, err=True)
    try:
        sys.stdout.flush()
    except OSError:  # what could not be written would be tried again at the exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cds-service")
def main() -> None:
    """Decision support over CDS Hooks, from packs of decision tables.

    Example: cds-service serve
    """
