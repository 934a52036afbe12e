"""The `retia` command: what it is made of, and how errors leave it."""

from typing import Any

import click

from retia.cli.benching import bench
from retia.cli.demo_command import demo
from retia.cli.exporting import export
from retia.cli.listing import best, show_trial, studies, trials
from retia.cli.plotting import plot
from retia.cli.running import check, run
from retia.cli.user_code import UserCodeError
from retia.errors import RetiaError

__all__ = ["main"]

FAILED, INTERRUPTED = 1, 130


class Commands(click.Group):
    """A group that lists its commands in the order of use, and turns errors into messages and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        del ctx
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command: 0 if it went well, 1 after an error, 2 for a wrong option, 130 if interrupted."""
        try:
            return super().invoke(ctx)
        except UserCodeError as error:
            click.echo(str(error), err=True)
            ctx.exit(FAILED)
        except RetiaError as error:
            notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
            click.secho(f"{type(error).__name__}: {error}{notes}", fg="red", err=True)
            ctx.exit(FAILED)
        except KeyboardInterrupt:
            click.secho("interrupted", fg="yellow", err=True)
            ctx.exit(INTERRUPTED)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="retia")
def main() -> None:
    """Neural architecture search: plain PyTorch, plus choice()."""


for command in (demo, run, check, studies, trials, show_trial, best, plot, export, bench):
    main.add_command(command)
