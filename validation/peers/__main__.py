"""``python -m validation.peers FAMILY [-v] [PATTERN...]`` asks other libraries for the golden cases of a family.

``attention`` prints a table: how many answers agree, match another convention, are right to single precision only, or
are wrong, for values and for gradients; -v tells of every case; patterns choose operations or peers. ``samplers`` goes
step by step, under the noise that the other library drew. A folder beside this file is a family. ``losses`` runs
`validation.peers.pytorch_metric_learning` with the names that follow.
"""

from __future__ import annotations

import argparse
import pkgutil
import sys
from importlib import import_module

from validation.peers import __path__, _table


def main() -> int:
    families = [info.name for info in pkgutil.iter_modules(__path__) if info.ispkg]
    parser = argparse.ArgumentParser(prog="python -m validation.peers", description=str(__doc__).partition("\n")[0])
    parser.add_argument("family", choices=[*families, "losses"])
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="such as softmax or torch; losses: names")
    parser.add_argument("-v", "--verbose", action="store_true", help="every case")
    asked = parser.parse_intermixed_args()
    if asked.family == "losses":
        return int(import_module("validation.peers.pytorch_metric_learning").main(asked.patterns))
    family = import_module(f"validation.peers.{asked.family}")
    return int(getattr(family, "main", _table.main)(family, asked.patterns, asked.verbose))


if __name__ == "__main__":
    sys.exit(main())
