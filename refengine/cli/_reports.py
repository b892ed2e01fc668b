"""Results of the command line as JSON and as one self-contained HTML page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import click

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; width: 100% } th { text-align: left; position: sticky; top: 0; background: #fff }
td, th { border-bottom: 1px solid #ddd; padding: .25rem .6rem; vertical-align: top; white-space: pre-line }
td.number { text-align: right; font-variant-numeric: tabular-nums } tr.bad td { background: #fdecea }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd } th { background: #181818 }
td, th { border-color: #444 } tr.bad td { background: #4a2020 } }
"""


def plain(value: Any) -> Any:
    """The value as JSON can say it: nan and the infinities as strings, as in the golden files."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value


def as_json(result: Mapping[str, Any]) -> str:
    return json.dumps(plain(result), indent=1, allow_nan=False)


def as_html(title: str, facts: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """One page without anything from outside: facts, then a table with a column for each key of the rows."""
    columns = list(rows[0]) if rows else []
    head = "".join(f"<th>{escape(str(column))}</th>" for column in columns)
    body = "\n".join(_row(row, columns) for row in rows)
    said = "".join(f"<p>{escape(fact)}</p>" for fact in facts)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style></head>\n<body><h1>{escape(title)}</h1>{said}\n"
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></body></html>\n"
    )


def _row(row: Mapping[str, Any], columns: Sequence[str]) -> str:
    bad = "" if row.get("status") in ("right", "passed") else ' class="bad"'
    return f"<tr{bad}>{''.join(_cell(row.get(column, '')) for column in columns)}</tr>"


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    if isinstance(value, Mapping):
        value = ", ".join(f"{k} {v:.3g}" for k, v in value.items())
    if isinstance(value, int | float):
        return f'<td class="number">{value:.6g}</td>'
    return f"<td>{escape(str(value))}</td>"


def write(path: str, title: str, facts: Sequence[str], result: Mapping[str, Any], rows: str) -> None:
    """Write ``result`` to a ``.json`` or ``.html`` file; the table of the page is ``result[rows]``."""
    page = as_html(title, facts, result[rows]) if path.endswith(".html") else as_json(result) + "\n"
    try:
        Path(path).write_text(page, "utf-8", errors="backslashreplace", newline="\n")
    except OSError as error:
        raise click.ClickException(f"cannot write the report: {error}") from None
