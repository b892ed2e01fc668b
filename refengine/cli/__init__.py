"""The ``refengine`` command, which needs the extra ``refengine[cli]``; each command has a file of its own."""

from __future__ import annotations

import io
import sys
from importlib import import_module

NEEDED = ("click", "rich")


def main() -> None:
    """Run the command line; where the extra is missing, say how to install it."""
    try:
        commands = import_module("refengine.cli.commands")
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in NEEDED:
            raise
        sys.exit(f"refengine: the command line needs {error.name}: pip install 'refengine[cli]'")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # somebody's message may hold what a terminal cannot show
    commands.cli()
