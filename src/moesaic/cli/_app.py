"""The commands by name, each with an example; what they do is in the modules beside this one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from moesaic import __version__
from moesaic.cli._audit import audit
from moesaic.cli._campaign import campaign
from moesaic.cli._cascade import cascade
from moesaic.cli._export import export
from moesaic.cli._families import families
from moesaic.cli._group import Commands
from moesaic.cli._predict import predict
from moesaic.cli._rank import rank
from moesaic.cli._search import resume, search
from moesaic.cli._view import data, report, status

app = typer.Typer(
    name="moesaic",
    cls=Commands,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _example(*lines: str) -> str:
    """Return an epilog that is not wrapped; typer takes the mark for that from click."""
    return "\n".join(
        ["\b", "Example:" if len(lines) == 1 else "Examples:", *(f"  {x}" for x in lines)]
    )


_COMMANDS: dict[Callable[..., None], str] = {
    search: _example(
        "moesaic search",
        "moesaic search --data photos/ --image-size 32 --experts auto --budget 20m",
        "moesaic search --data a.npz+b.npz --seed 1 --set recipe.lr=0.01 --out runs/ab --json",
        "moesaic search --data easy.npz+hard.npz --price 1   # point per million MACs",
        "moesaic search --data easy.npz+hard.npz --max-macs 1e6 --set 'width_choices=[0.5,1,2]'",
    ),
    campaign: _example(
        "moesaic campaign --data photos/ --image-size 32 --candidates 60",
        "moesaic campaign --data a.npz --pool lemur29 --planner adaptive --budget 2h --out runs/c",
        "moesaic campaign --list-families",
    ),
    resume: _example("moesaic resume runs/search-001"),
    status: _example("moesaic status runs/search-001 --json"),
    report: _example("moesaic report runs/search-001"),
    predict: _example(
        "moesaic predict runs/search-001 cat.png dog.jpg",
        "moesaic predict runs/search-001 vectors.npy --json",
    ),
    export: _example("moesaic export runs/search-001 --format pt2 --out model.pt2"),
    cascade: _example(
        "moesaic cascade runs/priced --out runs/both",
        "moesaic cascade runs/a runs/b runs/c --price 0.5 --out runs/abc --json",
    ),
    audit: _example(
        "moesaic audit results.csv --pool families.txt",
        "moesaic audit results.csv --next 40 --json",
    ),
    families: _example(
        "moesaic families results.csv --plot effects.png",
        "moesaic families first.csv --holdout later.csv --json",
    ),
    rank: _example(
        "moesaic rank runs/campaign-001 --experts 4 --score oracle --top 20",
        "moesaic rank runs/campaign-001 --must-have ResNet --max-parameters 2e6 --train 5 --json",
    ),
    data: _example("moesaic data mosaic", "moesaic data photos/+digits --image-size 32 --json"),
}

for _command, _epilog in _COMMANDS.items():
    app.command(epilog=_epilog)(_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"moesaic {__version__}")
        raise typer.Exit


@app.callback(
    invoke_without_command=True, epilog=_example("moesaic search --data digits --budget 5m")
)
def _moesaic(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="print the version"),
    ] = False,
) -> None:
    """Find, for your data, a sparse mixture of different networks, and the evidence for it."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the `moesaic` command and exit with its code."""
    app(prog_name="moesaic")
