"""The golden vectors: certified values and gradients, with the flags that say what each case is there to catch."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from refengine.golden._case import Answer, Case, Certified, GoldenFile, GoldenFormatError
from refengine.golden._chains import Chain, chains
from refengine.golden._export import export
from refengine.golden._format import parse
from refengine.golden._text import DATA, decoded_text, head, names, path_of, plain_name
from refengine.golden._validate import check_hash, validate

__all__ = [
    "DATA",
    "Answer",
    "Case",
    "Certified",
    "Chain",
    "GoldenFile",
    "GoldenFormatError",
    "chains",
    "conventions",
    "export",
    "header",
    "load",
    "operations",
    "read",
    "validate",
]


def operations() -> tuple[str, ...]:
    """Every operation that has golden vectors.

    >>> "special.log_beta" in operations()
    True
    """
    return names()


@cache
def load(operation: str, convention: str = "default") -> GoldenFile:
    """The golden vectors of an operation under a convention, checked against the recorded hash and the format.

    A convention without a file of its own takes its answers where cases name it among their alternatives, and the
    default's everywhere else. Raises ValueError that lists the choices for an operation or convention without vectors,
    `GoldenFormatError` that names the place for a file that is truncated or altered.

    >>> load("special.log_beta").cases[0].operation
    'special.log_beta'
    """
    if operation not in operations():
        raise ValueError(f"operation {operation!r} has no golden vectors; there are {', '.join(operations())}")
    if convention == "default":
        return _load(operation)
    if f"{operation}.{convention}" in operations():
        return _load(f"{operation}.{convention}")
    if convention not in conventions(operation):
        raise ValueError(f"convention must be one of {', '.join(conventions(operation))}, got {convention!r}")
    file = _load(operation)
    return replace(file, convention=convention, cases=tuple(_under(case, convention) for case in file.cases))


def _load(name: str) -> GoldenFile:
    path = path_of(name)
    file = read(path)  # first: it names the place where the format is broken, if it is
    check_hash(path)
    return file


def _under(case: Case, convention: str) -> Case:
    """The case as a convention among its alternatives answers it; the default's answer turns into an alternative."""
    answer = case.alternatives.get(convention)
    if answer is None:
        return replace(case, convention=convention)
    others = {name: other for name, other in case.alternatives.items() if name != convention}
    return replace(
        case,
        convention=convention,
        value=answer.value,
        gradients=answer.gradients,
        result="required",
        alternatives={"default": Answer(case.value, case.gradients), **others},
    )


def conventions(operation: str) -> tuple[str, ...]:
    """The conventions that `load` takes for an operation: default, those with a file, those among the alternatives.

    >>> conventions("special.log_beta")
    ('default',)
    """
    files = [header(name) for name in operations() if name.startswith(f"{operation}.")]
    named = {str(h["convention"]) for h in files if h["operation"] == operation}
    named |= {name for case in load(operation).cases for name in case.alternatives}
    return ("default", *sorted(named - {"default"}))


def header(name: str) -> dict[str, Any]:
    """What a golden file says before its cases, without reading them: definition, generator, numberOfCases, notes.

    >>> header("special.log_beta")["operation"]
    'special.log_beta'
    """
    try:
        return head(path_of(name))
    except (ValueError, OSError, EOFError) as error:
        raise GoldenFormatError(f"{name}.json: {error}") from None


def read(path: str | Path) -> GoldenFile:
    """Read a golden file from anywhere, ``.json`` or ``.json.gz``. Raises `GoldenFormatError` that names the place."""
    path = Path(path)
    return parse(decoded_text(path), plain_name(path))
