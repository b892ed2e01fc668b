"""What a person sees while a command runs: lines, and a bar on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress


def say(line: str, good: bool) -> None:
    """Print a line, in red where it tells of a failure (click leaves colour out where there is no terminal)."""
    click.secho(line, fg=None if good else "red")


def progress(items: Collection[Any], what: str) -> Iterator[Any]:
    """The items, with a bar on a terminal; names that are worked on stand beside it in place of ``what``."""
    console, together = Console(stderr=True), sys.stdout.isatty()  # lines for a file must not go past the bar
    with Progress(console=console, transient=True, disable=not console.is_terminal, redirect_stdout=together) as bar:
        task = bar.add_task(escape(what), total=len(items))
        for item in items:
            bar.update(task, description=escape(item if isinstance(item, str) else what))
            yield item
            bar.advance(task)
