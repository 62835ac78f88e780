"""Figures of a page as a table to take along."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flask import Response

from cds_service.vocabulary.spreadsheet import as_csv


def csv_file(name: str, heads: Sequence[str], rows: Iterable[Sequence[str | float]]) -> Response:
    """A table as a file to be kept under ``name``; the mark in front tells spreadsheets that it is UTF-8."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response("\ufeff" + as_csv(heads, rows), content_type="text/csv; charset=utf-8", headers=headers)
