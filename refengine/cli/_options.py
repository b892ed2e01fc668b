"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

__all__ = ["json_option", "report_option"]


class ReportFile(click.ParamType[str]):
    """A file name whose ending says what is written to it."""

    name = "file"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        if not str(value).endswith((".json", ".html")):
            self.fail(f"{value!r} must end in .json or .html", param, ctx)
        if not Path(value).parent.is_dir():  # said now, not after minutes of work
            self.fail(f"there is no directory {str(Path(value).parent)!r}", param, ctx)
        return str(value)


json_option = click.option("--json", "json_", is_flag=True, help="Print one JSON object and nothing else.")
report_option = click.option(
    "--report", "report_", type=ReportFile(), metavar="FILE", help="Also write the results to FILE.json or FILE.html."
)
