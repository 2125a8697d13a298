"""`[source]`: what a run imitates; a table for each kind."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Range = Annotated[tuple[Finite, Finite], Field(strict=False)]
Inputs = Annotated[dict[str, Range], Field(min_length=1)]
Names = Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
Derivatives = Literal["own", "differences", "none"]
Numbers = Finite | Annotated[tuple[Finite, ...], Field(strict=False, min_length=1)]
Matrix = Annotated[tuple[Annotated[tuple[Finite, ...], Field(strict=False)], ...], Field(strict=False)]
Payoff = Literal["call", "put", "asian_call", "geometric_asian_call", "spread_call", "worst_of_call", "digital_call"]


class Table(BaseModel):
    """A table of the file: unknown keys and silent conversions are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class BasketConfig(Table):
    """The Gaussian basket; the market is drawn from `market_seed`, or from the run's seed where it is left out."""

    kind: Literal["gaussian-basket"] = "gaussian-basket"
    n_assets: Count = 7
    market_seed: Annotated[int, Field(ge=0)] | None = None
    strike: Finite = 1.1
    exposure_time: Positive = 1.0
    maturity: Positive = 2.0
    drift: Finite = 0.0
    rate: Finite = 0.0
    option: Literal["call", "put"] = "call"
    smoothing: NotNegative = 0.0


class BlackScholesConfig(Table):
    """`reference.black_scholes`: `inputs` are ranges by name, what is not named there has one value."""

    kind: Literal["black-scholes"]
    payoff: Payoff = "call"
    inputs: Inputs
    assets: Count = 1
    dates: Count = 1
    spot: Numbers = 100.0
    volatility: Numbers = 0.2
    correlation: Finite | Matrix | None = None
    rate: Finite = 0.0
    dividend: Numbers = 0.0
    strike: Numbers = 100.0
    maturity: Positive = 1.0
    likelihood_ratio: bool = False
    antithetic: bool = False
    paths: Count = 65_536


class HestonConfig(Table):
    """`reference.heston`."""

    kind: Literal["heston"]
    payoff: Payoff = "call"
    inputs: Inputs
    dates: Count = 1
    steps: Count = 16
    spot: Positive = 100.0
    initial_variance: Positive = 0.04
    mean_reversion: Positive = 1.5
    long_variance: Positive = 0.04
    volatility_of_variance: Positive = 0.4
    correlation: Finite = -0.6
    rate: Finite = 0.0
    dividend: Finite = 0.0
    strike: Numbers = 100.0
    maturity: Positive = 1.0
    labels: Literal["simulated", "fourier"] = "simulated"
    conditional: bool = False
    antithetic: bool = False
    paths: Count = 65_536


class GeneExpressionConfig(Table):
    """`reference.gene_expression`."""

    kind: Literal["gene-expression"]
    inputs: Inputs
    steps: Count = 100
    transcription: Positive = 20.0
    rna_decay: Positive = 1.0
    translation: Positive = 10.0
    protein_decay: Positive = 0.5
    initial_rna: NotNegative = 5.0
    initial_protein: NotNegative = 50.0
    time: Positive = 2.0
    antithetic: bool = False
    paths: Count = 65_536


class RandomMediumConfig(Table):
    """`reference.random_medium`."""

    kind: Literal["random-medium"]
    cells: Annotated[int, Field(ge=3)] = 100
    spread: Positive = 0.5
    correlation_length: Positive = 0.3
    source_noise: NotNegative = 1.0
    antithetic: bool = False
    paths: Count = 4096


class CalledTable(Table):
    """What has to be said of a function over a box, whether a file holds it or not; see `FunctionConfig`."""

    kind: str
    box: Inputs | None = None
    outputs: Names | None = None
    noise: Count | Annotated[tuple[Count, ...], Field(strict=False)] | None = None
    law: Literal["normal", "uniform"] = "normal"
    derivatives: Derivatives | None = None
    time_limit: Positive | None = None
    rows: bool | None = None


class FunctionConfig(CalledTable):
    """`module:function` or `file.py:function` of the user's own.

    It is a reference, or a function without arguments that returns one; or a simulator over `box`, by name of input its
    range. What is called is told by the name of the second argument: `z`, the noise of one path, or `key`, for a
    simulator in JAX; `seed` for any Python; none for a function without noise. `noise` is the shape of `z` and `law`
    its law; without `noise` the smallest number that fits is taken. `derivatives`, `time_limit` and `rows` are about
    simulators that are no JAX: see `sobolev_pruning.sampling.run_black_box`; `rows` says that one call takes many
    inputs, a row each.
    """

    kind: Literal["function"]
    function: str


class ProgramConfig(Table):
    """A program that reads inputs from one file and writes outputs to another: `command`, in which `IN.csv` and
    `OUT.csv` stand for their names.

    `IN.csv` has a column for every input of `box` and one called `seed`; `OUT.csv` must have a row for each of its
    rows, with a column for every output and, where `derivatives` is "own", one for every partial derivative. `batch` is
    how many rows one call gets.
    """

    kind: Literal["program"]
    command: str
    box: Inputs
    outputs: Names | None = None
    derivatives: Literal["own", "none"] = "none"
    batch: Count = 64
    time_limit: Positive | None = None


class BridgeConfig(Table):
    """A model behind the UM-Bridge protocol at `address`; `model` is its name, needed where the server has several."""

    kind: Literal["um-bridge"]
    address: str
    box: Inputs
    model: str | None = None
    outputs: Names | None = None
    derivatives: Derivatives | None = None
    time_limit: Positive | None = None


class DataConfig(Table):
    """A file of results: `x`, `y` and `dydx` name its columns as `sobolev_pruning.sampling.read_samples` takes them.

    `box` is where errors are measured and nodes folded; by default from the 1% to the 99% quantile of every input.
    """

    kind: Literal["data"]
    file: str
    x: str | Names = "x*"
    y: str | Names = "y*"
    dydx: str | Names | None = None
    box: Inputs | None = None


class NetworkConfig(Table):
    """A network to be imitated: an `.onnx` or `.safetensors` file, over `box`; by default the range it was trained on,
    where its file knows that.
    """

    kind: Literal["network"]
    file: str
    box: Inputs | None = None


def _kind_of(given: Any) -> Any:
    """Without a kind it is the basket; what is no table has none."""
    return given.get("kind", "gaussian-basket") if isinstance(given, dict) else getattr(given, "kind", given)


class ObjectConfig(CalledTable):
    """An object of Python that was given to `sobolev_pruning.run`: the table says what it was; no file holds it."""

    kind: Literal["object"]
    object: str


SourceConfig = Annotated[
    Annotated[BasketConfig, Tag("gaussian-basket")]
    | Annotated[BlackScholesConfig, Tag("black-scholes")]
    | Annotated[HestonConfig, Tag("heston")]
    | Annotated[GeneExpressionConfig, Tag("gene-expression")]
    | Annotated[RandomMediumConfig, Tag("random-medium")]
    | Annotated[FunctionConfig, Tag("function")]
    | Annotated[ProgramConfig, Tag("program")]
    | Annotated[BridgeConfig, Tag("um-bridge")]
    | Annotated[DataConfig, Tag("data")]
    | Annotated[NetworkConfig, Tag("network")]
    | Annotated[ObjectConfig, Tag("object")],
    Discriminator(_kind_of),
]

KINDS = (
    "gaussian-basket",
    "black-scholes",
    "heston",
    "gene-expression",
    "random-medium",
    "function",
    "program",
    "um-bridge",
    "data",
    "network",
    "object",
)

LibraryConfig = BasketConfig | BlackScholesConfig | HestonConfig | GeneExpressionConfig | RandomMediumConfig
"""Models that this package brings."""
