"""Operations by name; an unknown one is an error that lists near names and the choices."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable

import click

from refengine._walk import Operation, find


def operation_named(name: str) -> Operation:
    """The operation; UsageError where there is none."""
    operations = find()
    if name not in operations:
        raise click.UsageError(f"there is no operation {name!r}{_choices(name, operations)}")
    return operations[name]


def operations_like(globs: Iterable[str]) -> list[Operation]:
    """The operations that match any of the globs, all where there are no globs; UsageError where one matches none."""
    operations, globs = find(), tuple(globs)
    for glob in globs:
        if not fnmatch.filter(operations, glob):
            raise click.UsageError(f"no operation matches {glob!r}{_choices(glob, operations)}")
    return [o for path, o in operations.items() if not globs or any(fnmatch.fnmatch(path, glob) for glob in globs)]


def _choices(name: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(name, known, 5, 0.6) or [k for k in known if name.rpartition(".")[2] in k][:5]
    close = f"; close to it: {', '.join(near)}" if near else ""
    return f"{close}\nchoices: {', '.join(known)}"
