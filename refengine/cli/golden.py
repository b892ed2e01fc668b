"""``refengine golden``: the golden vectors as files."""

from __future__ import annotations

import sys

import click

from refengine import golden
from refengine.cli._options import json_option
from refengine.cli._reports import as_json
from refengine.cli._terminal import progress, say
from refengine.golden import GoldenFormatError
from refengine.golden._export import FORMATS
from refengine.golden._validate import validate_sums


@click.group("golden")
def golden_group() -> None:
    """The golden vectors as files: export them, validate them."""


@golden_group.command("export")
@click.argument("directory", type=click.Path(file_okay=False))
@click.option("--format", "format_", type=click.Choice(FORMATS), default="json", show_default=True)
@json_option
def export_command(directory: str, format_: str, json_: bool) -> None:
    """Write every golden file to DIRECTORY, with their SHA256SUMS (and, with the JSON, schema and a small reader)."""
    try:
        written = golden.export(directory, format_)
    except OSError as error:
        raise click.ClickException(f"cannot export: {error}") from None
    if json_:
        click.echo(as_json({"files": [str(path) for path in written]}))
    else:
        click.echo(f"{len(written)} files in {directory}")


@golden_group.command("validate")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False))
@json_option
def validate_command(files: tuple[str, ...], json_: bool) -> None:
    """Check hash, format, schema, canonical text and a .safetensors twin of FILES, or of all that the package ships."""
    rows = []
    for path in progress(files or [str(path) for path in sorted(golden.DATA.glob("*.json*"))], "validate"):
        rows.append(_row(path))
        if not json_:
            say(f"{rows[-1]['status']}: {rows[-1]['file']}: {rows[-1]['said']}", rows[-1]["status"] == "passed")
    if not files:
        try:
            validate_sums(golden.DATA)
        except GoldenFormatError as error:
            rows.append({"file": "SHA256SUMS", "status": "failed", "said": str(error)})
            if not json_:
                say(f"failed: {error}", False)
    failed = sum(row["status"] != "passed" for row in rows)
    if json_:
        click.echo(as_json({"passed": not failed, "files": rows}))
    else:
        say(f"{len(rows) - failed} of {len(rows)} files passed", not failed)
    sys.exit(1 if failed else 0)


def _row(path: str) -> dict[str, str]:
    try:
        return {"file": path, "status": "passed", "said": ", ".join(golden.validate(path))}
    except GoldenFormatError as error:
        return {"file": path, "status": "failed", "said": str(error)}
    except ImportError as error:
        raise click.ClickException(f"validation needs {error.name}: pip install 'refengine[cli]'") from None
