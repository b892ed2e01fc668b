"""``refengine verify``: this package's own operations against the golden truth."""

from __future__ import annotations

import sys
from typing import Any

import click
import numpy as np

import refengine
from refengine._verify import LIMIT, verify
from refengine._walk import BACKENDS, Operation
from refengine.cli._names import operations_like
from refengine.cli._options import json_option, report_option
from refengine.cli._reports import as_json, write
from refengine.cli._terminal import progress, say


@click.command("verify")
@click.option("--backend", "backends", multiple=True, type=click.Choice(BACKENDS), help="Default: all that run here.")
@click.option("--operation", "globs", multiple=True, metavar="GLOB", help="Default: all.")
@report_option
@json_option
def verify_command(backends: tuple[str, ...], globs: tuple[str, ...], report_: str | None, json_: bool) -> None:
    """Judge every operation on every backend by the golden truth; exit 1 when one fails."""
    for name in backends:
        try:
            refengine.backend(name)
        except ImportError as error:
            raise click.ClickException(str(error)) from None
    chosen = operations_like(globs)
    jobs = {f"{o.path} on {b}": (o, b) for o in chosen for b in backends or refengine.backends()}
    rows: list[dict[str, Any]] = []
    for job in progress(jobs, "verify"):
        rows.append(_row(*jobs[job], rows[-1:]))
        if not json_:
            say(_line(rows[-1]), rows[-1]["status"] == "passed")
    failed = sum(row["status"] != "passed" for row in rows)
    result = {
        "refengine": refengine.__version__,
        "limit": LIMIT,
        "unit": "u * (|f| + cond)",
        "passed": not failed,
        "outcomes": rows,
    }
    total = f"{len(rows) - failed} of {len(rows)} passed, {sum(row['cases'] for row in rows)} cases"
    if report_:
        facts = [total, f"limit: {LIMIT:g} units of u * (|f| + cond)"]
        write(report_, "refengine verify", facts, result, "outcomes")
    if json_:
        click.echo(as_json(result))
    else:
        say(total, not failed)
    sys.exit(1 if failed else 0)


def _row(operation: Operation, backend: str, before: list[dict[str, Any]]) -> dict[str, Any]:
    """The outcome; where a backend has the very function that the row before judged, that row says it."""
    row: dict[str, Any] = {"operation": operation.path, "backend": backend, "kernel": operation.coverage()[backend]}
    judged = before and before[0]["operation"] == operation.path and before[0]["backend"] == "numpy"
    if judged and backend != "cupy" and operation.on(backend) is operation.function:
        return before[0] | row
    try:
        outcome = verify(operation, backend)
    except (ValueError, ImportError) as error:  # no golden vectors, or broken ones
        nothing = {"cases": 0, "worst": np.nan, "median": np.nan, "worst_case": ""}
        return row | nothing | {"status": "no truth", "failures": [str(error).partition("; there are")[0]]}
    row |= {key: getattr(outcome, key) for key in ("cases", "worst", "median", "worst_case")}
    return row | {"status": "passed" if outcome.passed else "failed", "failures": list(outcome.failures)}


def _line(row: dict[str, Any]) -> str:
    numbers = f"{row['cases']:5d} cases  worst {row['worst']:<8.3g} median {row['median']:<8.3g}"
    failures = "".join(f"\n    {failure}" for failure in row["failures"][:5])
    more = f"\n    and {len(row['failures']) - 5} more" if len(row["failures"]) > 5 else ""
    return f"{row['status']:8} {row['operation']:44} {row['backend']:6} {numbers}  {row['kernel']}{failures}{more}"
