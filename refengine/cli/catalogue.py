"""``refengine list`` and ``refengine show``: what there is."""

from __future__ import annotations

import inspect
from collections import Counter
from typing import Any

import click

from refengine import golden
from refengine._walk import BACKENDS, Operation, find
from refengine.cli._names import operation_named
from refengine.cli._options import json_option
from refengine.cli._reports import as_json
from refengine.golden import GoldenFormatError


@click.command("list")
@json_option
def list_command(json_: bool) -> None:
    """Every operation, the coverage of each backend, and the number of golden cases."""
    rows = [_row(operation) for operation in find().values()]
    if json_:
        click.echo(as_json({"operations": rows}))
        return
    width = max(len(row["operation"]) for row in rows)
    click.echo(f"{'operation':{width}}  {'  '.join(f'{b:11}' for b in BACKENDS)}  cases")
    for row in rows:
        click.echo(f"{row['operation']:{width}}  {'  '.join(f'{row[b]:11}' for b in BACKENDS)}  {row['cases']:5d}")
    click.echo(f"{len(rows)} operations, {sum(row['cases'] for row in rows)} golden cases")


def _row(operation: Operation) -> dict[str, Any]:
    try:
        count = golden.header(operation.path)["numberOfCases"]
    except (OSError, GoldenFormatError):  # none, or not readable: validate says more
        count = 0
    return {"operation": operation.path, **operation.coverage(), "cases": count}


@click.command("show")
@click.argument("path", metavar="OP")
@json_option
def show_command(path: str, json_: bool) -> None:
    """Definition, domains, constants, conventions, source, coverage and flags of one operation."""
    operation = operation_named(path)
    facts = _signature(operation) | _truth(path)
    if json_:
        click.echo(as_json(facts))
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            click.echo(f"{name}:")
            for key, item in value.items():
                click.echo(f"    {key}: {item}")
        else:
            click.echo(f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}")


def _signature(operation: Operation) -> dict[str, Any]:
    """What the function itself says."""
    parameters = inspect.signature(operation.function).parameters.values()
    plain = [p.replace(annotation=p.empty) for p in parameters]
    return {
        "operation": operation.path,
        "call": f"{operation.name}{inspect.Signature(plain)}",
        "summary": (inspect.getdoc(operation.function) or "").partition("\n\n")[0].replace("\n", " "),
        "arguments": {name: str(domain) for name, domain in operation.domains.items()},
        "constants": {
            name: "required" if default is inspect.Parameter.empty else repr(default)
            for name, default in operation.constants.items()
        },
        "gradients": list(operation.differentiable) if operation.has_vjp else [],
        "coverage": operation.coverage(),
    }


def _truth(path: str) -> dict[str, Any]:
    """What its golden file says."""
    if path not in golden.operations():
        return {"golden": "none"}
    try:
        file = golden.load(path)
    except GoldenFormatError as error:
        raise click.ClickException(str(error)) from None
    return {
        "definition": file.definition["latex"],
        "source": ", ".join(filter(None, (file.definition["reference"], file.definition["equation"]))),
        "conventions": list(golden.conventions(path)),
        "cases": len(file.cases),
        "results": dict(Counter(case.result for case in file.cases)),
        "flags": {
            flag: f"{count} ({file.notes[flag]['bug']})" if flag in file.notes else str(count)
            for flag, count in sorted(Counter(flag for case in file.cases for flag in case.flags).items())
        },
    }
