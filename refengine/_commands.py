"""The commands behind ``refengine``."""

from __future__ import annotations

import difflib
import fnmatch
import inspect
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import Progress

import refengine
from refengine import golden
from refengine._foreign import FRAMEWORKS, Mapped, Target, find_target, prepared
from refengine._reports import as_json, write
from refengine._verify import LIMIT, Outcome, verify
from refengine._walk import BACKENDS, Operation, find
from refengine.golden import GoldenFormatError
from refengine.golden._export import FORMATS
from refengine.golden._validate import validate_sums
from refengine.testing import cases as golden_cases
from refengine.testing import explain
from refengine.testing._assess import Assessment
from refengine.testing._cases import EXACT_IN

json_option = click.option("--json", "json_", is_flag=True, help="Print one JSON object and nothing else.")


class ReportFile(click.ParamType[str]):
    """A file name whose ending says what is written to it."""

    name = "FILE.json|.html"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        if not str(value).endswith((".json", ".html")):
            self.fail(f"{value!r} must end in .json or .html", param, ctx)
        return str(value)


report_option = click.option("--report", "report_", type=ReportFile(), help="Also write the results to this file.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(refengine.__version__, prog_name="refengine")
def cli() -> None:
    """Certified values and gradients: verify this package, check another one, look at what there is."""


def progress(items: Iterable[Any], total: int, what: str) -> Iterator[Any]:
    """The items, with a bar on a terminal."""
    console, together = Console(stderr=True), sys.stdout.isatty()  # lines for a file must not go past the bar
    with Progress(console=console, transient=True, disable=not console.is_terminal, redirect_stdout=together) as bar:
        task = bar.add_task(what, total=total)
        for item in items:
            bar.update(task, description=str(item) if isinstance(item, str) else what)
            yield item
            bar.advance(task)


def operation_named(name: str) -> Operation:
    """The operation; an error that lists near names and the choices otherwise."""
    operations = find()
    if name not in operations:
        raise click.UsageError(f"there is no operation {name!r}{choices(name, operations)}")
    return operations[name]


def choices(name: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(name, known, 5, 0.6) or [k for k in known if name.rpartition(".")[2] in k][:5]
    close = f"; close to it: {', '.join(near)}" if near else ""
    return f"{close}\nchoices: {', '.join(known)}"


@cli.command("verify")
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
    operations = find()
    for glob in globs:
        if not fnmatch.filter(operations, glob):
            raise click.UsageError(f"no operation matches {glob!r}{choices(glob, operations)}")
    paths = [p for p in operations if not globs or any(fnmatch.fnmatch(p, g) for g in globs)]
    jobs = {f"{p} on {b}": (operations[p], b) for p in paths for b in backends or refengine.backends()}
    rows = []
    for job in progress(jobs, len(jobs), "verify"):
        rows.append(verified(*jobs[job]))
        if not json_:
            say(verify_line(rows[-1]), rows[-1]["status"] == "passed")
    failed = sum(row["status"] != "passed" for row in rows)
    result = {
        "refengine": refengine.__version__,
        "limit": LIMIT,
        "unit": "u * (|f| + cond)",
        "passed": not failed,
        "outcomes": rows,
    }
    total = f"{len(rows) - failed} of {len(rows)} passed, {sum(row['cases'] for row in rows)} cases"
    facts = [total, f"limit: {LIMIT:g} units of u * (|f| + cond)"]
    finish(result, "outcomes", "refengine verify", facts, report_, json_)
    if not json_:
        say(total, not failed)
    sys.exit(1 if failed else 0)


def verified(operation: Operation, backend: str) -> dict[str, Any]:
    """One row of the results."""
    row: dict[str, Any] = {"operation": operation.path, "backend": backend, "kernel": operation.coverage()[backend]}
    try:
        outcome = next(result for result in verify(operation, backend) if isinstance(result, Outcome))
    except (ValueError, ImportError) as error:  # no golden vectors, or broken ones
        nothing = {"cases": 0, "worst": np.nan, "median": np.nan, "worst_case": ""}
        return row | nothing | {"status": "no truth", "failures": [str(error).partition("; there are")[0]]}
    row |= {key: getattr(outcome, key) for key in ("cases", "worst", "median", "worst_case")}
    return row | {"status": "passed" if outcome.passed else "failed", "failures": list(outcome.failures)}


def verify_line(row: dict[str, Any]) -> str:
    numbers = f"{row['cases']:5d} cases  worst {row['worst']:<8.3g} median {row['median']:<8.3g}"
    failures = "".join(f"\n    {failure}" for failure in row["failures"][:5])
    more = f"\n    and {len(row['failures']) - 5} more" if len(row["failures"]) > 5 else ""
    return f"{row['status']:8} {row['operation']:44} {row['backend']:6} {numbers}  {row['kernel']}{failures}{more}"


def say(line: str, good: bool) -> None:
    click.secho(line, fg=None if good else "red")


def finish(result: dict[str, Any], rows: str, title: str, facts: list[str], report_: str | None, json_: bool) -> None:
    if report_:
        try:
            write(report_, title, facts, result, rows)
        except OSError as error:
            raise click.ClickException(f"cannot write the report: {error}") from None
    if json_:
        click.echo(as_json(result))


@cli.command("check")
@click.argument("target")
@click.option("--operation", "path", required=True, metavar="OP", help="The operation that TARGET should compute.")
@click.option("--arguments", "mapping", metavar="CALL", help='Such as "x={x},a={a}" or "{k},{n},{p}".')
@click.option("--dtype", type=click.Choice(list(EXACT_IN)), default="float64", show_default=True)
@click.option("--gradient", type=click.Choice([*FRAMEWORKS, "none"]), default="none", show_default=True)
@click.option("--convention", default="default", show_default=True, help="Whose answers count.")
@click.option("--flag", "flags", multiple=True, metavar="FLAG", help="Only cases with one of these flags.")
@click.option("--units", type=float, default=LIMIT, show_default=True, help="Allowed error in u * (|f| + cond).")
@click.option("-v", "--verbose", is_flag=True, help="Also list what is right; tell all about what is not.")
@report_option
@json_option
def check_command(
    target: str,
    path: str,
    mapping: str | None,
    dtype: str,
    gradient: str,
    convention: str,
    flags: tuple[str, ...],
    units: float,
    verbose: bool,
    report_: str | None,
    json_: bool,
) -> None:
    """Check somebody's function, TARGET = package.module:attribute, against the golden cases of an operation.

    Arguments go to TARGET by position, in the order of the operation (see: refengine show OP); constants of a case by
    keyword. With --arguments the call is as written there, names in braces standing for the case's arguments and
    constants, and nothing else is passed. Cases that are exact in --dtype are used, so only arithmetic is judged.

    \b
    refengine check scipy.special:betaln --operation special.log_beta
    refengine check jax.scipy.special:betaln --operation special.log_beta --gradient jax
    refengine check scipy.stats:beta.logpdf --operation distributions.beta.log_prob
    refengine check scipy.stats:binom.logpmf --operation distributions.binomial.log_prob --arguments "{k},{n},{p}"

    What is not one function, such as a torch distribution, gets a wrapper in a file of your own (here mine.py, in
    the working directory):

    \b
    import torch
    def beta(x, a, b):
        return torch.distributions.Beta(a, b, validate_args=False).log_prob(x)
    \b
    refengine check mine:beta --operation distributions.beta.log_prob --gradient torch

    Each case is right, wrong, wrong but as another convention has it, or raised. Exit 1 unless all are right.
    """  # noqa: D301 (click reads the \b)
    operation = operation_named(path)
    subject = subject_of(target, operation, mapping, gradient)
    try:
        chosen = golden_cases(path, convention=convention, flags=flags or None, dtype=dtype)
        if subject.mapped:
            subject.mapped.check({name: 0 for case in chosen for name in (*case.arguments, *case.constants)})
    except ValueError as error:  # GoldenFormatError too
        raise click.UsageError(str(error)) from None
    if dtype == "bfloat16" and not subject.framework:
        raise click.UsageError("NumPy has no bfloat16: give a torch or jax TARGET, or --gradient torch or jax")
    rows, assessments = [], []
    with prepared(subject.framework, dtype):
        for case in progress(chosen, len(chosen), f"check {target}"):
            assessments.append(subject.assess(case, units))
            rows.append(check_row(assessments[-1]))
            if not json_ and (verbose or not assessments[-1].right):
                say(check_line(rows[-1], assessments[-1], verbose), assessments[-1].right)
    result: dict[str, Any] = {
        "target": target,
        "operation": path,
        "dtype": dtype,
        "convention": convention,
        "gradient": gradient,
    }
    result |= totals(assessments, units) | {"cases": rows}
    facts = total_lines(result)
    finish(result, "cases", f"{target} against {path}", facts, report_, json_)
    for line in () if json_ else facts:
        say(line, bool(result["passed"]))
    sys.exit(0 if result["passed"] else 1)


def subject_of(target: str, operation: Operation, mapping: str | None, gradient: str) -> Target:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # the installed command does not look there by itself
    package = target.partition(":")[0].partition(".")[0]
    framework = gradient if gradient in FRAMEWORKS else package if package in FRAMEWORKS else ""
    try:
        function = find_target(target)
        if framework:
            __import__(framework)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except Exception as error:  # whatever somebody's module does when it is imported
        raise click.ClickException(f"cannot import {target}: {type(error).__name__}: {error}") from None
    return Target(function, operation, framework, gradient != "none", Mapped(mapping) if mapping else None)


def check_row(assessment: Assessment) -> dict[str, Any]:
    case, status = assessment.case, assessment.status
    if status == "wrong" and assessment.convention:
        status = f"matches {assessment.convention}"
    return {
        "id": case.id,
        "uid": case.uid,
        "status": status,
        "convention": assessment.convention,
        "result": case.result,
        "units": assessment.verdict.units,
        "worst": assessment.verdict.worst,
        "flags": [flag for flag in case.flags if not flag.startswith("EXACT_")],
        "explanation": assessment.explanation,
    }


def check_line(row: dict[str, Any], assessment: Assessment, verbose: bool) -> str:
    if verbose and not assessment.right:
        return f"{row['status']}: {explain(assessment)}\n"
    story = row["explanation"].partition("\n")[0]
    return f"{row['status']:8} {row['uid']} {row['worst']:<9.3g} {' '.join(row['flags'])}{': ' if story else ''}{story}"


def totals(assessments: list[Assessment], limit: float) -> dict[str, Any]:
    worst = max(assessments, key=lambda a: (not a.right, a.verdict.worst))
    every = [u for a in assessments for u in a.verdict.units.values()]
    statuses = Counter(a.status for a in assessments)
    return {
        "limit": limit,
        "total": len(assessments),
        "right": statuses["right"],
        "wrong": statuses["wrong"],
        "raised": statuses["raised"],
        "conventions": dict(Counter(a.convention for a in assessments if a.convention)),
        "worst": worst.verdict.worst,
        "median": float(np.median(every)) if every else np.nan,
        "worst_case": {
            "case": str(worst.case),
            "flags": list(worst.case.flags),
            "notes": worst.case.notes,
            "explanation": worst.explanation,
        },
        "passed": statuses["right"] == len(assessments),
    }


def total_lines(result: dict[str, Any]) -> list[str]:
    case = result["worst_case"]
    notes = [f"  {flag}: {note['bug']} ({note['effect']})" for flag, note in case["notes"].items()]
    matched = ", ".join(f"{name} {count}" for name, count in result["conventions"].items())
    return [
        f"{result['target']} against {result['operation']}, {result['dtype']}, convention {result['convention']}",
        f"{result['total']} cases: {result['right']} right, {result['wrong']} wrong, {result['raised']} raised"
        f"{f'; agrees with {matched}' if matched else ''}",
        f"worst {result['worst']:.3g}, median {result['median']:.3g} units of u * (|f| + cond), "
        f"{result['limit']:g} allowed",
        f"worst case: {case['case']} {' '.join(f for f in case['flags'] if not f.startswith('EXACT_'))}".rstrip(),
        *(f"  {line}" for line in case["explanation"].splitlines()),
        *notes,
    ]


@cli.command("list")
@json_option
def list_command(json_: bool) -> None:
    """Every operation, the coverage of each backend, and the number of golden cases."""
    rows = [row_of(operation) for operation in find().values()]
    if json_:
        click.echo(as_json({"operations": rows}))
        return
    width = max(len(row["operation"]) for row in rows)
    click.echo(f"{'operation':{width}}  {'numpy':11}  {'numba':11}  {'cupy':11}  cases")
    for row in rows:
        click.echo(f"{row['operation']:{width}}  {'  '.join(f'{row[b]:11}' for b in BACKENDS)}  {row['cases']:5d}")
    click.echo(f"{len(rows)} operations, {sum(row['cases'] for row in rows)} golden cases")


def row_of(operation: Operation) -> dict[str, Any]:
    try:
        count = golden.header(operation.path)["numberOfCases"]
    except (OSError, GoldenFormatError):  # none, or not readable: validate says more
        count = 0
    return {"operation": operation.path, **operation.coverage(), "cases": count}


@cli.command("show")
@click.argument("path", metavar="OP")
@json_option
def show_command(path: str, json_: bool) -> None:
    """Definition, domains, constants, conventions, source, coverage and flags of one operation."""
    operation = operation_named(path)
    facts = shown(operation)
    if json_:
        click.echo(as_json(facts))
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            click.echo(f"{name}:")
            for key, item in value.items():
                click.echo(f"    {key}: {item}")
        else:
            click.echo(f"{name}: {', '.join(map(str, value)) if isinstance(value, list | tuple) else value}")


def shown(operation: Operation) -> dict[str, Any]:
    parameters = inspect.signature(operation.function).parameters.values()
    plain = [p.replace(annotation=p.empty) for p in parameters]
    facts: dict[str, Any] = {
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
    if operation.path not in golden.operations():
        return facts | {"golden": "none"}
    try:
        file = golden.load(operation.path)
    except GoldenFormatError as error:
        raise click.ClickException(str(error)) from None
    return facts | {
        "definition": file.definition["latex"],
        "source": ", ".join(filter(None, (file.definition["reference"], file.definition["equation"]))),
        "conventions": list(golden.conventions(operation.path)),
        "cases": len(file.cases),
        "results": dict(Counter(case.result for case in file.cases)),
        "flags": {
            flag: f"{count} ({file.notes[flag]['bug']})" if flag in file.notes else str(count)
            for flag, count in sorted(Counter(flag for case in file.cases for flag in case.flags).items())
        },
    }


@cli.group("golden")
def golden_group() -> None:
    """The golden vectors as files: export them, validate them."""


@golden_group.command("export")
@click.argument("directory", type=click.Path(file_okay=False))
@click.option("--format", "format_", type=click.Choice(FORMATS), default="json", show_default=True)
@json_option
def export_command(directory: str, format_: str, json_: bool) -> None:
    """Write every golden file to DIRECTORY, with their SHA256SUMS (and, with the JSON, schema and a small reader)."""
    written = golden.export(directory, format_)
    if json_:
        click.echo(as_json({"files": [str(path) for path in written]}))
    else:
        click.echo(f"{len(written)} files in {directory}")


@golden_group.command("validate")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False))
@json_option
def validate_command(files: tuple[str, ...], json_: bool) -> None:
    """Check hash, format, schema, canonical text and .safetensors twin of FILES, or of all that the package ships."""
    paths = [Path(file) for file in files] or sorted(golden.DATA.glob("*.json"))
    rows = []
    for path in progress(map(str, paths), len(paths), "validate"):
        rows.append(validated(Path(path)))
        if not json_:
            say(f"{rows[-1]['status']}: {rows[-1]['file']}: {rows[-1]['said']}", rows[-1]["status"] == "passed")
    if not files:
        try:
            validate_sums(golden.DATA)
        except GoldenFormatError as error:
            rows.append({"file": "SHA256SUMS", "status": "failed", "said": str(error)})
            click.echo("" if json_ else f"failed: {error}", nl=not json_)
    failed = sum(row["status"] != "passed" for row in rows)
    click.echo(
        as_json({"passed": not failed, "files": rows}) if json_ else f"{len(rows) - failed} of {len(rows)} files passed"
    )
    sys.exit(1 if failed else 0)


def validated(path: Path) -> dict[str, str]:
    try:
        return {"file": str(path), "status": "passed", "said": ", ".join(golden.validate(path))}
    except GoldenFormatError as error:
        return {"file": str(path), "status": "failed", "said": str(error)}
    except ImportError as error:
        raise click.ClickException(f"validation needs {error.name}: pip install 'refengine[cli]'") from None
