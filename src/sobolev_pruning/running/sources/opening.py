"""From a table `[source]` to the source that it describes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..._foundation.arrays import PRNGKey
from ..._foundation.errors import InputError
from ...interchange import read_network
from ...reference import AbstractReference, Box, from_function
from ...sampling import ProcessExecutor, read_samples
from ...sampling.executors import open_executor
from ...sampling.user_function import user_function
from ...surrogate import Surrogate
from ..source_config import (
    BridgeConfig,
    CalledTable,
    DataConfig,
    FunctionConfig,
    LibraryConfig,
    NetworkConfig,
    ObjectConfig,
    ProgramConfig,
    SourceConfig,
)
from .batch_calls import BatchCalls, RowFunction
from .bridge import BridgeModel
from .call_source import CallSource
from .data_source import DataSource
from .functions import kind_of
from .library import library_reference
from .point_calls import PointCalls
from .program import Program
from .reference_source import ReferenceSource
from .source import AbstractSource


@dataclass(frozen=True)
class Workers:
    """Who calls a simulator: so many processes of this machine, or the workers of a Dask scheduler."""

    number: int | None = None
    scheduler: str | None = None


@contextmanager
def opened(config: SourceConfig, seed: int, key: PRNGKey, workers: Workers = Workers()) -> Iterator[AbstractSource]:
    """The source that a table describes, as long as the context lasts.

    `seed` draws what the table of a library model leaves open, `key` what a source chooses at random. Raises
    `InputError` where nothing can be found, read or called.
    """
    match config:
        case DataConfig():
            yield DataSource(read_samples(config.file, x=config.x, y=config.y, dydx=config.dydx), key, config.box)
        case NetworkConfig():
            yield _network(config)
        case FunctionConfig():
            box = None if config.box is None else box_of(config.box)
            with (
                user_function(config.function, "source.function") as function,
                function_source(function, config.function, box, config, workers) as source,
            ):
                yield source
        case ObjectConfig():
            raise InputError(
                f"The source, {config.object}, is an object of Python; give it to sobolev_pruning.run again."
            )
        case ProgramConfig():
            box = box_of(config.box)
            program = Program(
                config.command,
                tuple(each.name for each in box.variables),
                config.outputs,
                config.derivatives == "own",
                config.time_limit,
            )
            with _executor(workers, None) as executor:
                calls = BatchCalls(
                    program,
                    config.command,
                    derivatives=program.derivatives,
                    batch=config.batch,
                    time_limit=None,
                    executor=executor,
                )
                yield CallSource(calls, f"The program {program.words[0]}", box, config.outputs)
        case BridgeConfig():
            box = box_of(config.box)
            own = None if config.derivatives is None else config.derivatives == "own"
            model = BridgeModel(config.address, config.model, own)
            model.expect_inputs(len(box.variables))
            derivatives = "own" if model.derivatives else config.derivatives
            with _executor(workers, config.time_limit) as executor:
                calls = _point_calls(model, box, derivatives, config.time_limit, executor)
                yield CallSource(calls, f"The model {model.name}", box, config.outputs)
        case _:
            yield _library(config, seed)


def reference_of(config: SourceConfig, seed: int) -> AbstractReference:
    """The reference model of a source that is one; raises `InputError` for others, which cannot be asked everywhere."""
    if isinstance(config, LibraryConfig):
        return library_reference(config, seed)
    if isinstance(config, NetworkConfig):
        return _network(config).reference
    if isinstance(config, FunctionConfig):
        with user_function(config.function, "source.function") as function:
            box = None if config.box is None else box_of(config.box)
            reference = kind_of(function, config.function, box, config.noise, config.law, config.outputs).reference
        if reference is not None:
            return reference
    raise InputError(
        f"The source of kind {config.kind} is known at samples alone; give a reference model, or a data file of its "
        "samples."
    )


def _library(config: LibraryConfig, seed: int) -> ReferenceSource:
    def quieter(design: str, conditional: bool) -> AbstractReference:
        return library_reference(config, seed, design, conditional)

    return ReferenceSource(library_reference(config, seed), quieter=quieter)


def _network(config: NetworkConfig) -> ReferenceSource:
    box = None if config.box is None else box_of(config.box)
    return network_source(read_network(config.file), config.file, box)


def network_source(network: Surrogate, name: str, box: Box | None) -> ReferenceSource:
    """A network to be imitated over `box`, or where it was trained; `name` is for errors and the title."""
    d = network.widths[0]
    if box is not None:
        if len(box.variables) != d:
            raise InputError(f"{name} has {d} inputs, and the box {len(box.variables)} ranges; give one for each.")
    elif network.training_range is not None:
        box = Box(*network.training_range, network.inputs)
    else:
        raise InputError(
            f"{name} does not say where it was trained; give a range for each of its {d} inputs, as in "
            f"--box {','.join(['0:1'] * min(d, 3))}."
        )
    reference = from_function(
        lambda x, z: network(x),
        inputs=box,
        noise=0,
        exact=network,
        exact_source="the network",
        kind="network",
        outputs=network.outputs,
    )
    size = f"{network.n_parameters:,} parameters, {'-'.join(map(str, network.widths))} {network.activation}"
    return ReferenceSource(reference, title=f"The network {Path(name).name}, {size}", teacher=network)


@contextmanager
def function_source(
    function, name: str, box: Box | None, config: CalledTable, workers: Workers
) -> Iterator[AbstractSource]:
    """A function of the user's own, called `name`, over `box`, as long as the context lasts."""
    kind = kind_of(function, name, box, config.noise, config.law, config.outputs)
    if kind.reference is not None:
        yield ReferenceSource(kind.reference)
        return
    title = f"The function {name.rpartition(':')[2]}"
    with _executor(workers, config.time_limit) as executor:
        if config.rows:
            simulate = RowFunction(function, kind.takes_seed)
            calls = BatchCalls(
                simulate,
                name,
                derivatives=config.derivatives == "own",
                batch=256,
                time_limit=config.time_limit,
                executor=executor,
            )
        else:
            simulate = function if kind.takes_seed else WithoutSeed(function)
            calls = _point_calls(simulate, box, config.derivatives, config.time_limit, executor)
        yield CallSource(calls, title, box, config.outputs)


class WithoutSeed:
    """A function `(x)` without noise, called as one that takes a seed."""

    def __init__(self, function):
        self.function = function

    def __call__(self, x, seed):
        return self.function(x)


def _point_calls(simulate, box: Box, derivatives, time_limit, executor) -> PointCalls:
    return PointCalls(
        simulate,
        box,
        derivatives=derivatives,
        time_limit=time_limit,
        executor=executor,
    )


def box_of(ranges: dict[str, tuple[float, float]]) -> Box:
    """The box of ranges by name of input."""
    return Box([lower for lower, _ in ranges.values()], [upper for _, upper in ranges.values()], tuple(ranges))


def _executor(workers: Workers, time_limit: float | None):
    """Who makes all calls of a source: the workers of a scheduler, or processes of this machine, started once."""
    if workers.scheduler is None:
        return ProcessExecutor(workers.number, time_limit)
    return open_executor(workers.number, workers.scheduler)
