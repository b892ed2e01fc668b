"""Where the text of a golden file lies: as it is, or compressed, as the package ships it."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

from refengine.golden._case import GoldenFormatError

DATA = Path(__file__).parent / "data"
CASES = ' "cases": [\n'
"""The line after which each case has a line of its own."""


def path_of(name: str) -> Path:
    """The shipped file of an operation, or of one of its conventions."""
    return DATA / f"{name}.json.gz"


def names() -> tuple[str, ...]:
    """Every shipped file by name, without the endings."""
    return tuple(sorted(path.name.removesuffix(".json.gz") for path in DATA.glob("*.json.gz")))


def plain_name(path: Path) -> str:
    """The name of the file that holds the text uncompressed: what messages and sums call it."""
    return path.name.removesuffix(".gz")


def content(path: Path) -> bytes:
    """The text as bytes, decompressed if need be; GoldenFormatError where it was cut or damaged."""
    raw = path.read_bytes()
    try:
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise GoldenFormatError(f"{plain_name(path)}: {error}") from None


def decoded_text(path: Path) -> str:
    """The text; GoldenFormatError where it is not UTF-8."""
    try:
        return content(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise GoldenFormatError(f"{plain_name(path)}: byte {error.start} is not UTF-8") from None


def write(path: Path, text: str) -> None:
    """Write the text, compressed where the name ends in ``.gz``: the same bytes whenever it is the same text."""
    raw = text.encode()
    path.write_bytes(gzip.compress(raw, 9, mtime=0) if path.suffix == ".gz" else raw)


def sha256(path: Path) -> str:
    """The hash of the uncompressed text, which no version of a compressor changes."""
    return hashlib.sha256(content(path)).hexdigest()


def _opened(path: Path) -> Any:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")


def head(path: Path) -> dict[str, Any]:
    """What a file says before its cases; they are not read."""
    lines: list[str] = []
    with _opened(path) as file:
        for line in file:
            if line == CASES:
                return dict(json.loads("".join(lines).rstrip().removesuffix(",") + "}"))
            lines.append(line)
    return dict(json.loads("".join(lines)))


def first_case(path: Path) -> dict[str, Any]:
    """The JSON object of the first case; no other is read. ValueError where there is none."""
    with _opened(path) as file:
        for line in file:
            if line == CASES:
                return dict(json.loads(next(file).rstrip().removesuffix(",")))
    raise ValueError(f"{plain_name(path)} has no cases")
