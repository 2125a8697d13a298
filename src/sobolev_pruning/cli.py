"""The command line: parse, call one function of the pipeline, print."""

import errno
import gc
import io
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated

import jax
import typer
from rich.console import Console
from rich.markup import escape

from ._foundation.errors import ContradictionFound, DoubtfulSamples, InputError, printable
from ._foundation.progress import waiting
from .storage.compiled_programs import keep_compiled_programs

_TAKES_NO_MORE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)
"""Faults of a place that is written to, not of the program."""

app = typer.Typer(
    name="sobolev-pruning",
    help="Small, certified, differentiable surrogates of stochastic simulators.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A .safetensors or .onnx file.")]
Models = Annotated[list[Path], typer.Argument(metavar="MODEL...", help="One or more .safetensors or .onnx files.")]
BoxOption = Annotated[
    str | None,
    typer.Option(
        metavar="BOX",
        help="LOWER:UPPER for all inputs, spot=60:140,vol=0.1:0.4 by name, one for each in order, or @FILE for the "
        "range of a data file. (Default, also for inputs not named: the range the network was trained on.)",
    ),
]
Data = Annotated[Path | None, typer.Option(metavar="FILE", help="Samples: .csv, .npz, .h5 or .parquet.")]
InputColumns = Annotated[
    str | None,
    typer.Option(
        "--x",
        metavar="NAMES",
        help="Input columns of a data file: names with commas, or a pattern. (Default: the network's names, else x*.)",
    ),
]
OutputColumns = Annotated[
    str | None,
    typer.Option("--y", metavar="NAMES", help="Output columns. (Default: the network's names, else y*.)"),
]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="File to write: .safetensors or .onnx.")]
Pieces = Annotated[int, typer.Option(help="How many pieces of the box may be enclosed.")]
Against = Annotated[
    Path | None, typer.Option(metavar="MODEL", help="A second network, or a CONFIG.toml for its reference.")
]
Workers = Annotated[
    int | None, typer.Option("--workers", metavar="N", help="Processes on this machine. (Default: one per core.)")
]
Scheduler = Annotated[
    str | None,
    typer.Option("--scheduler", metavar="ADDRESS", help="Of a Dask scheduler, whose workers then do the work."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="module:function or file.py:function; a data file (.csv, .npz, .h5, .parquet); a network (.onnx, "
        ".safetensors); 'command: ./program IN.csv OUT.csv'; the http address of a UM-Bridge server; a model of the "
        "library, such as gaussian-basket; or a configuration (.toml).",
    ),
]
SourceBox = Annotated[
    str | None,
    typer.Option(
        "--box",
        metavar="BOX",
        help="A range for each input, spot=60:140,volatility=0.1:0.4. (Default for data: from the 1% to the 99% "
        "quantile; for a network: the range it was trained on.)",
    ),
]
SourceInputs = Annotated[str | None, typer.Option("--x", metavar="NAMES", help="Input columns of a data file.")]
SourceOutputs = Annotated[
    str | None, typer.Option("--y", metavar="NAMES", help="Output columns of a data file; else names of the outputs.")
]
Slopes = Annotated[
    str | None, typer.Option("--dydx", metavar="NAMES", help="Columns of derivatives, or a template: d{y}/d{x}.")
]
Derivatives = Annotated[
    str | None,
    typer.Option(
        help="Of a simulator that is no JAX: own, where it returns (y, dydx); differences; none. (Default: found out.)"
    ),
]
Noise = Annotated[
    str | None,
    typer.Option(metavar="SHAPE", help="Of simulate(x, z): how many variables z has: 12, uniform:12, 4x3."),
]
TimeLimit = Annotated[float | None, typer.Option(metavar="SECONDS", help="Gives a call up that takes longer.")]
Goal = Annotated[
    str | None, typer.Option("--tolerance", metavar="LIMITS", help="Such as value=0.9999,delta=0.999,gamma=0.99.")
]
Figure = Annotated[
    str | None, typer.Option(help="What --tolerance limits: r2 (default), or rmse, p99, max_abs in the output's units.")
]
MaxParameters = Annotated[int | None, typer.Option(help="Instead: the most accurate network of that size.")]
NSamples = Annotated[int | None, typer.Option("--samples", metavar="N", help="To learn from. (Default: by a pilot.)")]
Minutes = Annotated[float | None, typer.Option(metavar="M", help="What the plan may take, roughly. (Default: 10.)")]
Seed = Annotated[int | None, typer.Option(help="Of all that is drawn at random. (Default: 0.)")]


@app.command()
def run(
    source: Source,
    box: SourceBox = None,
    x: SourceInputs = None,
    y: SourceOutputs = None,
    dydx: Slopes = None,
    derivatives: Derivatives = None,
    noise: Noise = None,
    time_limit: TimeLimit = None,
    tolerance: Goal = None,
    figure: Figure = None,
    max_parameters: MaxParameters = None,
    samples: NSamples = None,
    minutes: Minutes = None,
    seed: Seed = None,
    out: Annotated[
        Path | None, typer.Option(help="Directory for the results. (Default: runs/NAME-SEED, or the next free one.)")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the directory; --samples and --minutes may be more.")
    ] = False,
    workers: Workers = None,
    scheduler: Scheduler = None,
    as_json: AsJson = False,
) -> None:
    """Do everything: from a simulator, data or a network to a small surrogate with its report."""
    from .commands import RunOptions, configuration
    from .drawing import fitted
    from .running import results_table, run, verdict
    from .running.sources import Workers

    options = RunOptions(
        box, x, y, dydx, derivatives, noise, time_limit, tolerance, figure, max_parameters, samples, minutes, seed
    )
    config = configuration(source, options)
    result = run(config, out, resume=resume, progress=True, workers=Workers(workers, scheduler))
    _warn(result.record.remarks)
    if as_json:
        print((result.directory / "metrics.json").read_text(encoding="utf-8"), end="")
        return
    console = Console()
    console.print(fitted(results_table(result.record.stages, result.record.published), console))
    for sentence in verdict(result.record):
        console.print(sentence, highlight=False, markup=False)
    console.print(f"Report: [bold]{result.directory / 'report.html'}[/bold]", soft_wrap=True)


@app.command()
def init(
    source: Annotated[
        str | None, typer.Argument(metavar="SOURCE", help="As `run` takes it. (Default: an example with phases.)")
    ] = None,
    box: SourceBox = None,
    x: SourceInputs = None,
    y: SourceOutputs = None,
    dydx: Slopes = None,
    derivatives: Derivatives = None,
    noise: Noise = None,
    time_limit: TimeLimit = None,
    tolerance: Goal = None,
    figure: Figure = None,
    max_parameters: MaxParameters = None,
    samples: NSamples = None,
    minutes: Minutes = None,
    seed: Seed = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="File to write.")] = Path("config.toml"),
    workers: Workers = None,
    scheduler: Scheduler = None,
) -> None:
    """Write the commented configuration that `run SOURCE` would use, with every choice and its reason, to be edited."""
    from .commands import RunOptions, configuration
    from .running import write_example_config, write_planned_config
    from .running.sources import Workers

    if source is None:
        write_example_config(out)
    elif source.endswith(".toml"):
        raise InputError(f"init takes a source; for the example in {source} say: sobolev-pruning init -o {source}")
    else:
        options = RunOptions(
            box, x, y, dydx, derivatives, noise, time_limit, tolerance, figure, max_parameters, samples, minutes, seed
        )
        with waiting("looking at the source"):
            write_planned_config(configuration(source, options), out, Workers(workers, scheduler))
    Console().print(f"Wrote [bold]{out}[/bold]; run it with: sobolev-pruning run {out}", soft_wrap=True)


@app.command()
def study(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="Such as examples/study_basket.toml.")],
    out: Annotated[Path | None, typer.Option(help="Directory for the results. (Default: runs/NAME.)")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the study in the directory.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Take the product of all factors: this can take days.")] = False,
    scheduler: Scheduler = None,
    workers: Workers = None,
) -> None:
    """Compare criteria, folds, schedules, labels, orders and sizes, and pruning with its alternatives, over seeds."""
    from .drawing import fitted
    from .running import read_as
    from .studying import StudyConfig, study, study_headline, study_table

    settings = read_as(StudyConfig, config, full=full or None)
    result = study(settings, out, resume=resume, workers=workers, scheduler=scheduler, progress=True)
    _warn(result.warnings)
    console = Console()
    console.print(fitted(study_table(result.record), console))
    console.print(study_headline(result.record), highlight=False)
    console.print(f"Report: [bold]{result.directory / 'report.html'}[/bold]", soft_wrap=True)


@app.command()
def sample(
    function: Annotated[
        str, typer.Argument(metavar="MODULE:FUNCTION", help="A simulator (x, seed) -> y of your own, in any Python.")
    ],
    box: Annotated[
        str, typer.Option(metavar="BOX", help="A range for each input: 70:130,0.1:0.4, or spot=70:130,vol=0.1:0.4.")
    ],
    n: Annotated[int, typer.Option("-n", metavar="N", help="How many points.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="File to write: .csv or .npz.")],
    derivatives: Annotated[
        str, typer.Option(help="own, where it returns (y, dydx); differences, on common random numbers; or none.")
    ] = "none",
    design: Annotated[
        str, typer.Option(help="How the points fill the box: random, sobol, latin-hypercube.")
    ] = "random",
    workers: Workers = None,
    scheduler: Scheduler = None,
    time_limit: TimeLimit = None,
    step: Annotated[
        str | None,
        typer.Option(
            metavar="PART", help="Of differences, in each input's range. (Default: the smallest that is no noise.)"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the points, and of the seeds that the simulator gets.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Call a simulator of your own all over a box, and write a data file; a run that was killed goes on."""
    from .commands import sample_function, sampling_table

    with waiting("calling the simulator"):
        record = sample_function(
            function,
            out,
            box=box,
            n=n,
            derivatives=derivatives,
            design=design,
            workers=workers,
            scheduler=scheduler,
            time_limit=time_limit,
            step=step,
            seed=seed,
        )
    _show(record, sampling_table, as_json)


@app.command()
def significance(
    model: Model,
    box: BoxOption = None,
    data: Data = None,
    x: InputColumns = None,
    y: OutputColumns = None,
    method: Annotated[str, typer.Option(help="interval, affine, split, sampled, or a criterion on --data.")] = "split",
    order: Annotated[int, typer.Option(help="Of the derivatives that nodes are scored for: 0, 1 or 2.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Scores as CSV.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score every hidden node of a network over a box."""
    from .commands import score_model, significance_table

    with waiting("scoring nodes"):
        record = score_model(model, box=box, data=_data(data, x, y), columns=x, method=method, order=order, out=out)
    _show(record, significance_table, as_json)


@app.command()
def prune(
    model: Model,
    keep: Annotated[str, typer.Option(help="Nodes per hidden layer (8), a part (0.25), or layer by layer (8,4,0).")],
    out: Out,
    fold: Annotated[str, typer.Option(help="none, midpoint, mean, least-squares or sobolev.")] = "sobolev",
    method: Annotated[str, typer.Option(help="Whose scores decide: of `significance`, or fold.")] = "fold",
    prove: Annotated[
        bool, typer.Option("--prove", help="Bound how far values differ over the whole box, too.")
    ] = False,
    box: BoxOption = None,
    data: Data = None,
    x: InputColumns = None,
    y: OutputColumns = None,
    as_json: AsJson = False,
) -> None:
    """Take the least significant nodes out and fold what they did into the others."""
    from .commands import prune_model, pruning_table

    with waiting("pruning"):
        record = prune_model(
            model, out, keep=keep, fold=fold, method=method, prove=prove, box=box, data=_data(data, x, y), columns=x
        )
    _show(record, pruning_table, as_json)


@app.command()
def shrink(
    model: Model,
    out: Out,
    tolerance: Annotated[
        str | None, typer.Option(metavar="LIMITS", help="Such as value=0.9999,delta=0.999,hessian=0.99.")
    ] = None,
    max_parameters: Annotated[int | None, typer.Option(help="Instead: the most accurate network of that size.")] = None,
    figure: Annotated[str, typer.Option(help="What --tolerance limits: r2 (from below), rmse, p99 or max_abs.")] = "r2",
    size: Annotated[str, typer.Option(help="What is to be small: parameters, or operations of a call.")] = "parameters",
    against: Annotated[
        str | None,
        typer.Option(
            help="Measure errors against the surrogate itself, or on a part of --data, held-out (its default)."
        ),
    ] = None,
    reduced_inputs: Annotated[
        bool, typer.Option("--reduced-inputs", help="Write a network that takes only the inputs that matter.")
    ] = False,
    box: BoxOption = None,
    data: Data = None,
    x: InputColumns = None,
    y: OutputColumns = None,
    seed: Annotated[int, typer.Option(help="Of the points it learns from.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Search for the smallest network within a tolerance, or the best one of a size, taught by itself or by --data."""
    from .commands import shrink_model, shrinking_table

    record = shrink_model(
        model,
        out,
        tolerance=tolerance,
        max_parameters=max_parameters,
        figure=figure,
        size=size,
        against=against,
        reduced_inputs=reduced_inputs,
        box=box,
        data=_data(data, x, y),
        columns=x,
        seed=seed,
        progress=True,
    )
    _show(record, shrinking_table, as_json)
    if record.after is None:
        raise typer.Exit(1)


@app.command()
def evaluate(
    models: Models,
    reference: Annotated[Path | None, typer.Option(metavar="CONFIG.toml", help="Its reference is the truth.")] = None,
    data: Data = None,
    x: InputColumns = None,
    y: OutputColumns = None,
    as_json: AsJson = False,
) -> None:
    """Measure the errors of networks against a reference or against data."""
    from .commands import entries_tables, evaluate_models, evaluation_table
    from .drawing import fitted

    with waiting("evaluating"):
        record = evaluate_models(models, reference=reference, data=_data(data, x, y))
    _show(record, evaluation_table, as_json)
    if not as_json:
        console = Console()
        for table in entries_tables(record):
            console.print()
            console.print(fitted(table, console))


@app.command()
def compare(
    first: Model,
    second: Model,
    box: BoxOption = None,
    x: InputColumns = None,
    order: Annotated[
        int | None, typer.Option(help="Highest derivative to guarantee. (Default: 2 for small networks, else 1.)")
    ] = None,
    pieces: Pieces = 20_000,
    as_json: AsJson = False,
) -> None:
    """Tell by how much two networks differ in value, gradient and Hessian: at points, and guaranteed."""
    from .commands import compare_models, comparison_table

    record = compare_models(first, second, box=box, columns=x, order=order, pieces=pieces, progress=True)
    _show(record, comparison_table, as_json)


@app.command()
def certify(
    model: Model,
    claims: Annotated[
        str, typer.Option(help="With ; between: 'value >= 0; -1 <= dprice/dspot <= 0; increasing in vol'.")
    ],
    against: Against = None,
    box: BoxOption = None,
    x: InputColumns = None,
    pieces: Pieces = 20_000,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="The certificate, JSON.")] = None,
    as_json: AsJson = False,
) -> None:
    """Prove statements about a network over a whole box; exit status 1 where not all of them are proved."""
    from .commands import certificate_table, certify_model

    record = certify_model(
        model, claims=claims, against=against, box=box, columns=x, pieces=pieces, out=out, progress=True
    )
    _show(record, certificate_table, as_json)
    if not record.certificate.proved:
        raise typer.Exit(1)


@app.command()
def check(
    certificate: Annotated[Path, typer.Argument(metavar="CERTIFICATE", help="A file that `certify` wrote.")],
    model: Model,
    against: Against = None,
    pieces: Annotated[
        int | None, typer.Option(help="How many pieces may be enclosed. (Default: twice those of the first proof.)")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove a certificate again: every statement and every bound in it."""
    from .commands import certificate_table, check_model

    record = check_model(certificate, model, against=against, pieces=pieces, progress=True)
    _show(record, certificate_table, as_json)


@app.command()
def export(
    model: Model,
    to: Annotated[
        str,
        typer.Option(help="onnx, c, numpy, javascript, torch, fmu, or a function of yours, as module:function."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="File to write.")],
    box: Annotated[
        str | None,
        typer.Option(metavar="BOX", help="The range that inputs are checked against. (Default: the training range.)"),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="What the functions of a C header begin with; of an FMU. (Default: that of the file.)"),
    ] = None,
    derivatives: Annotated[
        int | None, typer.Option(help="0 writes values, 1 gradients too, 2 Hessians too, where there is a choice.")
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="float64 or float32, where there is a choice.")] = None,
    errors: Annotated[
        bool, typer.Option("--errors", help="Write the standard errors in the file of a run, too.")
    ] = False,
    x: InputColumns = None,
) -> None:
    """Write a network with its derivatives to where it is used."""
    from .commands import export

    _warn(export(model, to, out, box=box, name=name, derivatives=derivatives, dtype=dtype, columns=x, errors=errors))
    Console().print(f"Wrote [bold]{out}[/bold].", soft_wrap=True)


@app.command()
def explore(
    model: Model,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The page to write.")] = Path(
        "explorer.html"
    ),
    against: Annotated[
        Path | None,
        typer.Option(metavar="MODEL", help="A second network of the same inputs and outputs, drawn beside."),
    ] = None,
    box: Annotated[
        str | None, typer.Option(metavar="BOX", help="The range to explore. (Default: the training range.)")
    ] = None,
    x: InputColumns = None,
) -> None:
    """Write a page on which the inputs of a network are moved by hand: value, slopes, slices, a map."""
    from .commands import explore

    _warn(explore(model, out, box=box, against=against, columns=x))
    Console().print(f"Wrote [bold]{out}[/bold]; open it in a browser.", soft_wrap=True)


@app.command()
def serve(
    models: Models,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 lets other machines ask.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 4242,
    extrapolate: Annotated[
        bool, typer.Option("--extrapolate", help="Answer outside of the range the network was trained on, too.")
    ] = False,
) -> None:
    """Answer questions about networks over HTTP, by the UM-Bridge protocol, until interrupted."""
    from .commands import opened_server

    with opened_server(models, host=host, port=port, extrapolate=extrapolate) as server:
        named = ", ".join(server.models)
        Console().print(f"Serving [bold]{escape(named)}[/bold] at {server.address}; Ctrl-C ends it.", soft_wrap=True)
        sys.stdout.flush()
        server.serve_forever()


def _data(path: Path | None, x: str | None, y: str | None):
    from .commands import DataOptions

    return None if path is None else DataOptions(path, x, y)


def _warn(sentences: tuple[str, ...]) -> None:
    for sentence in sentences:
        Console(stderr=True).print(f"[bold yellow]Warning:[/bold yellow] {escape(printable(sentence))}", soft_wrap=True)


def _show(record, table, as_json: bool) -> None:
    from .drawing import fitted, json_text

    _warn(record.warnings)
    if as_json:
        print(json_text(record))
    else:
        console = Console()
        console.print(fitted(table(record), console))


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    _warn((str(message),))


def main() -> None:
    """The command `sobolev-pruning`: exit status 0 when done, 2 for the user's mistake, 1 otherwise."""
    jax.config.update("jax_enable_x64", True)
    keep_compiled_programs()
    # Tracing makes many small objects that live on: looking through them for garbage takes a tenth of a short command.
    gc.set_threshold(200_000, 20, 100)
    for stream in (sys.stdout, sys.stderr):  # a character that it lacks is no reason to die
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = _show_warning
    # Whoever reads a file tells of its samples, by the names of its columns.
    warnings.filterwarnings("ignore", category=DoubtfulSamples)
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except InputError as error:
        _complain(str(error))
        sys.exit(2)
    except ContradictionFound as error:
        _complain(str(error))
        sys.exit(1)
    except OSError as error:
        if error.errno not in _TAKES_NO_MORE:
            raise
        # What is left in the buffer would be tried again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _complain(f"{error.filename or 'Standard output'} cannot be written ({error.strerror}).")
        sys.exit(1)


def _complain(sentence: str) -> None:
    Console(stderr=True).print(f"[bold red]Error:[/bold red] {escape(sentence)}", soft_wrap=True, highlight=False)


if __name__ == "__main__":
    from sobolev_pruning_command import main as command

    command()
