"""The command line: nothing heavy is imported before a command runs."""

from moesaic.cli._app import app, main

__all__ = ["app", "main"]
