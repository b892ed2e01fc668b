"""``python -m validation.benchmarks [NAME...]``: run the comparisons of this folder, all when none is named.

``python -m validation.benchmarks accuracy FAMILY...`` prints how far this package and its peers are from the truth.
"""

from __future__ import annotations

import argparse
import pkgutil
import sys
from importlib import import_module

from validation import benchmarks


def names() -> list[str]:
    """The files of this folder that hold comparisons."""
    files = {info.name for info in pkgutil.iter_modules(benchmarks.__path__) if not info.name.startswith("_")}
    return sorted(files - {"accuracy"})


def main(arguments: list[str]) -> int:
    """Print every comparison; 1 if one misses its limit."""
    if arguments[:1] == ["accuracy"]:
        return int(import_module("validation.benchmarks.accuracy").main(arguments[1:] or ["distributions"]))
    parser = argparse.ArgumentParser(prog="python -m validation.benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"which to run (default: all): {', '.join(names())}")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    options = parser.parse_args(arguments)
    if unknown := set(options.name) - set(names()):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    passed = True
    for name in options.name or names():
        if options.list:
            print(name)
            continue
        for comparison in import_module(f"validation.benchmarks.{name}").run():
            print(comparison, flush=True)
            passed &= comparison.passed
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
