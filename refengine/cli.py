"""The ``refengine`` command, which needs the extra ``refengine[cli]``; the commands are in `refengine._commands`."""

from __future__ import annotations

import sys
from importlib import import_module

NEEDED = ("click", "rich")


def main() -> None:
    """Run the command line; where the extra is missing, say how to install it."""
    try:
        commands = import_module("refengine._commands")
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in NEEDED:
            raise
        sys.exit(f"refengine: the command line needs {error.name}: pip install 'refengine[cli]'")
    commands.cli()
