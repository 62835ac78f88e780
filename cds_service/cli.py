"""The command ``cds-service`` and its verbs. Exit status: 0 all is well, 1 findings or failures, 2 wrong use."""

from __future__ import annotations

from importlib import import_module
from io import StringIO
from typing import Any

import click

from cds_service import __version__

_VERBS = ("check", "coverage", "explain", "export", "impact", "replay", "report", "sample", "serve")


class _Verbs(click.Group):
    """Imports a verb only when it is called, so that ``serve`` does not wait for what the others need."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        command: click.Command = getattr(import_module(f"cds_service.commands.{cmd_name}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a verb; ``say`` says why it fails, for that may quote names and words of others."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            from cds_service.commands.common import say

            said = StringIO()
            error.show(said)
            say(said.getvalue(), err=True, nl=False)
            ctx.exit(error.exit_code)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cds-service")
def main() -> None:
    """CDS Hooks decision support for vitamin B12 orders.

    Example: cds-service serve
    """
