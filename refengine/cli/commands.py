"""The command ``refengine`` itself: the group of all the others."""

from __future__ import annotations

import os

import click

import refengine
from refengine.cli.catalogue import list_command, show_command
from refengine.cli.check import check_command
from refengine.cli.golden import golden_group
from refengine.cli.verify import verify_command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(refengine.__version__, prog_name="refengine")
@click.pass_context
def cli(context: click.Context) -> None:
    """Certified values and gradients: verify this package, check another one, look at what there is."""
    if os.environ.get("NO_COLOR"):
        context.color = False


for command in (verify_command, check_command, list_command, show_command, golden_group):
    cli.add_command(command)
