"""`profilerkit completion`: print what makes a shell complete our words."""

from __future__ import annotations

import rich_click as click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell; load it from the shell's start-up file.

    For bash: eval "$(profilerkit completion bash)"
    """
    from profilerkit.cli.app import profilerkit

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(profilerkit, {}, "profilerkit", "_PROFILERKIT_COMPLETE").source())
