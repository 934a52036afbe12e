"""The `retia` command."""

from retia.cli.main import main

__all__ = ["main"]
