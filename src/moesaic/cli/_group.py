"""The group of all commands: turns every error into one line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from moesaic.cli._faults import Refusal, UnforeseenError, refusal
from moesaic.cli._output import tell, to_json, write
from moesaic.errors import Interrupted

# typer does not name the base of its usage errors in public
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]


class Commands(TyperGroup):
    """Runs a command and exits: 0 done, 1 failed, 2 bad usage or input, 130 interrupted."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line `args`, by default the process's own, and exit."""
        given = sys.argv[1:] if args is None else list(args)
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is None:  # closed by whoever called: it takes the free number
                setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        try:
            code = super().main(
                args,
                prog_name=prog_name,
                complete_var=complete_var,
                standalone_mode=False,
                windows_expand_args=windows_expand_args,
                **extra,
            )
        except typer.Abort:
            _refuse(Refusal(130, "interrupted", "interrupted"), given)
        except _UsageError as error:
            _refuse(Refusal(2, "error", _usage_message(error)), given)
        except Exception as error:  # noqa: BLE001 - every fault becomes a line and an exit code
            _refuse(refusal(error), given)
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command; typer would answer some of its exceptions in its own way."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("interrupted") from None
        except BrokenPipeError:  # of our own stdout: one in a run is an UnforeseenError
            raise
        except (OSError, EOFError) as error:
            raise UnforeseenError(None) from error


def _refuse(why: Refusal, given: Sequence[str]) -> None:
    tell(why.line)
    if "--json" in given:
        write(to_json({"status": why.status, "message": why.message}))
    sys.exit(why.code)


def _usage_message(error: Exception) -> str:
    option = getattr(error, "option_name", None)
    near: Sequence[str] | None = getattr(error, "possibilities", None)
    context: typer.Context | None = getattr(error, "ctx", None)
    help_line = f"see {context.command_path if context else 'moesaic'} --help"
    if option is not None and near:
        return f"no such option {option}: did you mean {' or '.join(sorted(near))}? ({help_line})"
    message: str = error.format_message()  # type: ignore[attr-defined]
    return f"{' '.join(message.split()).rstrip('.')} ({help_line})"
