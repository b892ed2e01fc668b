"""The golden vectors: certified values and gradients, with the flags that say what each case is there to catch."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from refengine.golden._export import export
from refengine.golden._format import Answer, Case, Certified, GoldenFile, GoldenFormatError, parse

__all__ = ["Answer", "Case", "Certified", "GoldenFile", "GoldenFormatError", "export", "load", "operations", "read"]

DATA = Path(__file__).parent / "data"


def operations() -> tuple[str, ...]:
    """Every operation that has golden vectors.

    >>> "special.log_beta" in operations()
    True
    """
    return tuple(sorted(path.stem for path in DATA.glob("*.json")))


@cache
def load(operation: str, convention: str = "default") -> GoldenFile:
    """The golden vectors of an operation under a convention, checked against the recorded hash and the format.

    Raises ValueError that lists the choices for an operation or convention without vectors, `GoldenFormatError` that
    names the place for a file that is truncated or altered.

    >>> load("special.log_beta").cases[0].operation
    'special.log_beta'
    """
    name = operation if convention == "default" else f"{operation}.{convention}"
    if name not in operations():
        if operation not in operations():
            raise ValueError(f"operation {operation!r} has no golden vectors; there are {', '.join(operations())}")
        named = [o.removeprefix(f"{operation}.") for o in operations() if o.startswith(f"{operation}.")]
        raise ValueError(f"convention must be one of {', '.join(['default', *named])}, got {convention!r}")
    path = DATA / f"{name}.json"
    recorded = (DATA / "SHA256SUMS").read_text("utf-8").splitlines()
    if f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" not in recorded:
        read(path)  # names the place where the format is broken, if it is
        raise GoldenFormatError(f"{path.name}: the sha256 differs from the one in SHA256SUMS")
    return read(path)


def read(path: str | Path) -> GoldenFile:
    """Read a golden file from anywhere. Raises `GoldenFormatError` that names the place."""
    path = Path(path)
    try:
        return parse(path.read_bytes().decode("utf-8"), path.name)
    except UnicodeDecodeError as error:
        raise GoldenFormatError(f"{path.name}: byte {error.start} is not UTF-8") from None
