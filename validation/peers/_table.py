"""The answers of a family's peers to every golden case, judged: values and gradients each in a row of a table.

A file in the family's folder is a peer, named as the library is; it has

- ``FRAMEWORK``: "torch" or "jax", which differentiate, or "" for functions of NumPy arrays without gradients;
- ``ANSWERS``: for each operation that the library offers its functions by the names that they have there. Each takes
  the operation's arrays, and those of its constants that the library has.

A case with another option is left out, unless that option has our default there; so is one for which the function
raises `NotOffered`. Where the case names our default among its alternatives, the library is asked under that name.
An array that the function does not take must be absent from the case, or hold our default; there is no gradient then.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from functools import partial, wraps
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import Any

import numpy as np

from refengine._walk import Operation, find
from refengine.cli._foreign import Target, prepared
from refengine.golden import Case, load
from refengine.testing._assess import LIMIT, assess

Function = Callable[..., Any]
STATUSES = ("agree", "single", "wrong", "raised")
SINGLE = LIMIT * 2**29
"""What passes as right to single precision: the limit in units of float32."""


class NotOffered(Exception):
    """The library does not have what the case asks for."""


@dataclass(frozen=True)
class Found:
    """What one half of an answer, values or gradients, is worth: a status, under whose convention, and why."""

    status: str
    convention: str = ""
    said: str = ""

    def __str__(self) -> str:
        return f"{self.status} {self.convention}".strip()


@dataclass
class Row:
    """One function of a library under one operation: its cases, each with what its halves are worth."""

    operation: str
    peer: str
    found: list[tuple[Case, dict[str, Found]]] = field(default_factory=list)
    left_out: int = 0

    def counts(self, half: str) -> Counter[str]:
        return Counter(str(halves[half]) for _, halves in self.found if half in halves)

    def lines(self) -> Iterator[str]:
        """The counts: agree, right to single precision only, wrong, raised, then the conventions that are matched."""
        for half in ("values", "gradients"):
            counts = self.counts(half)
            if not counts:
                continue
            matches = ", ".join(f"{k} {n}" for k, n in counts.items() if k not in STATUSES)
            name = f"{self.operation:36} {self.peer:38}" if half == "values" else " " * 75
            out = self.left_out or "" if half == "values" else ""
            columns = "".join(f"{counts[status] or '-':>8}" for status in STATUSES)
            yield f"{name} {half:9} {out:>8}{columns}  {matches}".rstrip()

    def stories(self) -> Iterator[str]:
        """A line for each case, and below it why it is wrong."""
        for case, halves in self.found:
            told = ", ".join(f"{half} {found}" for half, found in halves.items())
            flags = " ".join(flag for flag in case.flags if not flag.startswith("EXACT_"))
            yield f"{self.operation} {self.peer} {case.uid}: {told}   {flags}".rstrip()
            for found in halves.values():
                yield from (f"    {line}" for line in found.said.splitlines() if found.status != "agree")


HEAD = f"{'operation':36} {'peer':38} {'':9} {'left out':>8}{''.join(f'{status:>8}' for status in STATUSES)}  matches"


def ask(operation: Operation, peer: str, function: Function, framework: str = "") -> Row:
    """Ask a function for every golden case of an operation."""
    call = _compiled(_of_its_own(function)) if framework == "jax" else _of_its_own(function)
    row, target = Row(operation.path, peer), Target(call, operation, framework, bool(framework))
    with prepared(framework, "float64"):
        for case in load(operation.path).cases:
            asked = _asked(operation, function, case)
            value, gradients = (NotOffered(), None) if asked is None else target.answer(asked)
            if asked is None or isinstance(value, NotOffered):
                row.left_out += 1
            else:
                row.found.append((case, judged(asked, value, gradients, bool(framework))))
    return row


def judged(case: Case, value: Any, gradients: Any, differentiates: bool = True) -> dict[str, Found]:
    """Values and gradients, each by itself; no gradients where none were asked for."""
    halves = {"values": _found(_only(case, gradients={}), value)}
    wanted = differentiates and case.gradients and case.result in ("required", "ambiguous")
    if isinstance(value, Exception) and wanted:
        halves["gradients"] = halves["values"]
    elif isinstance(gradients, Exception):
        halves["gradients"] = _found(case, gradients)
    elif gradients is not None:
        halves["gradients"] = _found(_only(case, value={}), (), gradients)
    return halves


def _found(case: Case, value: Any, gradients: Any = None) -> Found:
    own = assess(case, value, gradients)
    if own.status == "raised":
        return Found("raised", said=own.explanation)
    exact = own.right or (own.convention and not own.verdict.problems)
    found = own if exact else assess(case, value, gradients, limit=SINGLE, dtype="float64")
    other = "" if found.convention == case.convention else found.convention
    if exact:
        return Found("" if other else "agree", other, own.explanation)
    return Found("single" if found.right or found.convention else "wrong", other, own.explanation)


def _only(case: Case, **empty: Any) -> Case:
    others = {name: replace(answer, **empty) for name, answer in case.alternatives.items()}
    return replace(case, alternatives=others, **empty)


def _of_its_own(function: Function) -> Function:
    """The function, spared the constants that it does not take."""
    takes = inspect.signature(function).parameters

    @wraps(function)
    def call(*args: Any, **constants: Any) -> Any:
        return function(*args, **{name: given for name, given in constants.items() if name in takes})

    return call


def _compiled(function: Function) -> Function:
    """In one piece: operation by operation jax would compile each of them again for every new shape."""
    jit = import_module("jax").jit
    return lambda *args, **constants: jit(partial(function, **constants))(*args)


def _asked(operation: Operation, function: Function, case: Case) -> Case | None:
    """The case without what the function does not take; None where the case needs it."""
    takes = inspect.signature(function).parameters
    defaults = {name: p.default for name, p in inspect.signature(operation.function).parameters.items()}
    for name, given in (case.arguments | case.constants).items():
        default = defaults.get(name.partition(".")[0], inspect.Parameter.empty)
        if name not in takes and not _is(given, default) and default not in case.alternatives:
            return None
    arguments = {name: given for name, given in case.arguments.items() if name in takes}
    gradients = {name: slope for name, slope in case.gradients.items() if name in takes}
    others = {
        convention: replace(answer, gradients={name: answer.gradients[name] for name in gradients})
        for convention, answer in case.alternatives.items()
    }
    return replace(case, arguments=arguments, gradients=gradients, alternatives=others)


def _is(given: Any, default: Any) -> bool:
    return default is not None and bool(np.ndim(given) == 0 and np.all(given == default))


def peers(package: ModuleType) -> tuple[list[ModuleType], list[str]]:
    """The peers in a family's folder, and the libraries that are not installed."""
    found, missing = [], []
    for info in pkgutil.iter_modules(package.__path__):
        if not info.name.startswith("_"):
            try:
                found.append(import_module(f"{package.__name__}.{info.name}"))
            except ModuleNotFoundError as error:
                if str(error.name).startswith(("validation", "refengine")):
                    raise
                missing.append(str(error.name))
    return found, missing


def rows(family: ModuleType, patterns: list[str]) -> Iterator[Row]:
    """The rows of a family, operation by operation; of those only whose operation or peer a pattern matches."""
    operations, (modules, _) = find(), peers(family)
    for path in sorted({path for module in modules for path in module.ANSWERS} & operations.keys()):
        for module in modules:
            for name, function in module.ANSWERS.get(path, {}).items():
                peer = f"{name_of(module)} {name}"
                if not patterns or any(fnmatch(text, f"*{p}*") for p in patterns for text in (path, peer)):
                    yield ask(operations[path], peer, function, module.FRAMEWORK)


def name_of(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


def main(family: ModuleType, patterns: list[str], verbose: bool) -> int:
    """Print the table, with ``verbose`` every case before its row."""
    modules, missing = peers(family)
    print(", ".join(f"{name_of(module)} {version(name_of(module))}" for module in modules))
    if missing:
        print(f"not installed: {', '.join(missing)}")
    print(HEAD, flush=True)
    for row in rows(family, patterns):
        for line in (*(row.stories() if verbose else ()), *row.lines()):
            print(line, flush=True)
    return 0
