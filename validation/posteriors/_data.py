"""The data: columns of numbers by name, and the key of their source."""

from __future__ import annotations

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "data"


def load(name: str) -> dict[str, np.ndarray]:
    """The columns of a file in data/."""
    lines = (FOLDER / f"{name}.csv").read_text("utf-8").splitlines()
    table = np.array([[float(v) for v in line.split(",")] for line in lines[2:]])
    return dict(zip(lines[1].split(","), table.T, strict=True))


def source(name: str) -> str:
    """The key of the work that a file is taken from."""
    return (FOLDER / f"{name}.csv").read_text("utf-8").splitlines()[0].removeprefix("# ")
