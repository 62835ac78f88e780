"""Two contents that are compared: folders, or revisions of git."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from cds_service.commands.common import WrongUseError
from cds_service.commands.packs import one_pack, prepared_content
from cds_service.content.prepared import Prepared
from cds_service.replay.revisions import RevisionError, materialised

_PROBLEMS = 5


@contextmanager
def contents_of(
    old: str, new: str, pack_id: str | None, key: bytes = b""
) -> Iterator[Mapping[str, tuple[Path, Prepared]]]:
    """The contents ``old`` and ``new`` by these names, each with its folder, which is there until the end of the block.

    Raises:
        WrongUseError: one is neither a folder nor a revision with content.
        ClickException: one is no content that this version can use; the first problems are named.
    """
    with tempfile.TemporaryDirectory() as folder:
        contents = {}
        for which, name in (("old", old), ("new", new)):
            try:
                place = one_pack(materialised(name, Path(folder, which)), pack_id)
                contents[which] = (place, prepared_content(place, key=key))
            except RevisionError as error:
                raise WrongUseError(str(error)) from None
            except WrongUseError as error:
                raise WrongUseError(f"{name}: {error.message}") from None
            except click.ClickException as error:
                problems = error.message.splitlines()
                more = [f"and {len(problems) - _PROBLEMS} more"] if len(problems) > _PROBLEMS else []
                first = f"{name} is no content that this version can use:"
                raise click.ClickException("\n".join([first, *problems[:_PROBLEMS], *more])) from None
        yield contents
