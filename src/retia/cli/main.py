"""The `retia` command: its subcommands, and how it reports errors."""

import os
import sys
from typing import Any

import click

from retia import __version__
from retia.cli.bench import bench
from retia.cli.demo_command import demo
from retia.cli.export import export
from retia.cli.listings import best, show_trial, studies, trials
from retia.cli.output import say
from retia.cli.plot import plot
from retia.cli.run import check, run
from retia.cli.user_code import UserCodeError
from retia.errors import RetiaError

__all__ = ["main"]

FAILED, INTERRUPTED = 1, 130


class Commands(click.Group):
    """A group that lists its commands in the order of use, and converts errors to exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        del ctx
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command: exit code 0, 1 after an error, 2 for a wrong option, 130 if interrupted."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except UserCodeError as error:
            say(str(error), error=True)
            ctx.exit(FAILED)
        except RetiaError as error:
            notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
            say(f"{type(error).__name__}: {error}{notes}", error=True, colour="red")
            ctx.exit(FAILED)
        except KeyboardInterrupt:
            say("interrupted", error=True, colour="yellow")
            ctx.exit(INTERRUPTED)
        return result

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line, and end the process; a closed pipe ends it quietly."""
        try:
            return super().main(*args, **extra)
        except OSError as error:
            try:
                sys.stdout.flush()
            except OSError:  # the rest would fail again when the interpreter ends
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            msg = f"{type(error).__name__}: {error}. Check the path, its permissions and the disk space."
            say(msg, error=True, colour="red")
            sys.exit(FAILED)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Neural architecture search: plain PyTorch, plus choice()."""


for command in (demo, run, check, studies, trials, show_trial, best, plot, export, bench):
    main.add_command(command)
