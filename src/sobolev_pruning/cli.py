"""The command line: parse, call one function of the pipeline, print."""

import sys
from pathlib import Path
from typing import Annotated

import jax
import typer
from rich.console import Console

from ._foundation.errors import InputError

app = typer.Typer(
    name="sobolev-pruning",
    help="Small, certified, differentiable surrogates of stochastic simulators.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("config.toml"),
) -> None:
    """Write a commented example configuration to start from."""
    from .pipeline import write_example_config

    write_example_config(path)
    Console().print(f"Wrote [bold]{path}[/bold]; run it with: sobolev-pruning run {path}", soft_wrap=True)


@app.command()
def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to run; `init` writes an example.")],
    out: Annotated[Path | None, typer.Option(help="Directory for the results. [default: runs/NAME-SEED]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the directory.")] = False,
    seed: Annotated[int | None, typer.Option(help="Overrides the seed of the configuration.")] = None,
) -> None:
    """Do everything: sample, train, score, prune, fine-tune, evaluate, and write the report."""
    from .pipeline import read_config, run
    from .report import results_table

    result = run(read_config(config, seed=seed), out, resume=resume, progress=True)
    console = Console()
    console.print(results_table(result.record.stages, result.record.published))
    console.print(f"Report: [bold]{result.directory / 'report.html'}[/bold]", soft_wrap=True)


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="A .safetensors or .onnx file.")],
    to: Annotated[str, typer.Option(help="onnx, c or numpy.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.")],
) -> None:
    """Write a network with its derivatives to where it is used: ONNX, a C header, or NumPy code."""
    from .pipeline import export

    if to not in ("onnx", "c", "numpy"):
        raise InputError(f"--to is {to!r}; choose onnx, c or numpy.")
    export(model, to, out)
    Console().print(f"Wrote [bold]{out}[/bold].", soft_wrap=True)


def main() -> None:
    """The entry of the command `sobolev-pruning`: exit status 0 when done, 2 for the user's mistake, 1 otherwise."""
    jax.config.update("jax_enable_x64", True)
    try:
        app()
    except InputError as error:
        Console(stderr=True).print(f"[bold red]Error:[/bold red] {_escaped(error)}", soft_wrap=True, highlight=False)
        sys.exit(2)
    except KeyboardInterrupt:
        Console(stderr=True).print("Interrupted; --resume goes on from here.")
        sys.exit(1)


def _escaped(error: InputError) -> str:
    from rich.markup import escape

    return escape(str(error))


if __name__ == "__main__":
    main()
