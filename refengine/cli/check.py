"""``refengine check``: somebody else's function against the golden truth."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from refengine._verify import LIMIT
from refengine._walk import Operation
from refengine.cli._foreign import FRAMEWORKS, Mapped, Target, find_target, imported, prepared
from refengine.cli._names import operation_named
from refengine.cli._options import json_option, report_option
from refengine.cli._reports import as_json, write
from refengine.cli._tally import line_of, row_of, total_lines, totals
from refengine.cli._terminal import progress, say
from refengine.testing import cases
from refengine.testing._cases import EXACT_IN


@click.command("check")
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
    subject = _subject(target, operation, mapping, gradient)
    try:
        chosen = cases(path, convention=convention, flags=flags or None, dtype=dtype)
        if subject.mapped:
            subject.mapped.check(dict.fromkeys(name for case in chosen for name in (*case.arguments, *case.constants)))
    except ValueError as error:  # GoldenFormatError too
        raise click.UsageError(str(error)) from None
    if dtype == "bfloat16" and not subject.framework:
        raise click.UsageError("NumPy has no bfloat16: give a torch or jax TARGET, or --gradient torch or jax")
    assessments = []
    with prepared(subject.framework, dtype):
        for case in progress(chosen, f"check {target}"):
            assessments.append(subject.assess(case, units))
            if not json_ and (verbose or not assessments[-1].right):
                say(line_of(assessments[-1], verbose), assessments[-1].right)
    result: dict[str, Any] = {
        "target": target,
        "operation": path,
        "dtype": dtype,
        "convention": convention,
        "gradient": gradient,
        **totals(assessments, units),
        "cases": [row_of(assessment) for assessment in assessments],
    }
    facts = total_lines(result)
    if report_:
        write(report_, f"{target} against {path}", facts, result, "cases")
    if json_:
        click.echo(as_json(result))
    else:
        say("\n".join(facts), result["passed"])
    sys.exit(0 if result["passed"] else 1)


def _subject(target: str, operation: Operation, mapping: str | None, gradient: str) -> Target:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # the installed command does not look there by itself
    package = target.partition(":")[0].partition(".")[0]
    framework = gradient if gradient in FRAMEWORKS else package if package in FRAMEWORKS else ""
    try:
        function = find_target(target)
        if framework:
            imported(framework)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except ImportError as error:
        raise click.ClickException(str(error)) from None
    return Target(function, operation, framework, gradient != "none", Mapped(mapping) if mapping else None)
