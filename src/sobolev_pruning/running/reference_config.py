"""`[reference]`: which model a run imitates, and how the model is made of its table."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from .._foundation.errors import InputError
from ..reference import (
    AbstractReference,
    Design,
    GaussianBasket,
    black_scholes,
    gene_expression,
    heston,
    payoffs,
    random_medium,
)
from ..sampling.user_function import user_function

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Range = Annotated[tuple[Finite, Finite], Field(strict=False)]
Inputs = Annotated[dict[str, Range], Field(min_length=1)]
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


class FunctionConfig(Table):
    """A reference of the user's own: `function`, as `module:function`, is a reference or returns one when called."""

    kind: Literal["function"]
    function: str


def _kind_of(given: Any) -> Any:
    """Without a kind it is the basket; what is no table has none."""
    return given.get("kind", "gaussian-basket") if isinstance(given, dict) else getattr(given, "kind", given)


ReferenceConfig = Annotated[
    Annotated[BasketConfig, Tag("gaussian-basket")]
    | Annotated[BlackScholesConfig, Tag("black-scholes")]
    | Annotated[HestonConfig, Tag("heston")]
    | Annotated[GeneExpressionConfig, Tag("gene-expression")]
    | Annotated[RandomMediumConfig, Tag("random-medium")]
    | Annotated[FunctionConfig, Tag("function")],
    Discriminator(_kind_of),
]


def reference_of(config: Table, seed: int, design: Design, conditional: bool) -> AbstractReference:
    """The model that a table describes; `seed` draws a market that the table does not fix.

    `design` and `conditional` are about its samples (see `[finetuning.reference]`); a reference of the user's own has
    a design of its own. Raises `InputError` where the model refuses a parameter.
    """
    return _MAKERS[type(config)](config, seed, design, conditional)


def _basket(config: BasketConfig, seed: int, design: Design, conditional: bool) -> GaussianBasket:
    settings = config.model_dump(exclude={"kind", "n_assets", "market_seed", "option"})
    market_seed = seed if config.market_seed is None else config.market_seed
    return GaussianBasket.random(
        config.n_assets, market_seed, kind=config.option, design=design, conditional=conditional, **settings
    )


def _library_model(factory: Callable[..., AbstractReference]) -> Callable:
    def make(config: Table, seed: int, design: Design, conditional: bool) -> AbstractReference:
        settings = config.model_dump(exclude={"kind"})
        if "payoff" in settings:
            settings["payoff"] = getattr(payoffs, settings["payoff"])
        settings["design"] = design
        if "conditional" in settings:
            settings["conditional"] |= conditional
        return factory(**settings)

    return make


def _own(config: FunctionConfig, seed: int, design: Design, conditional: bool) -> AbstractReference:
    with user_function(config.function, "reference.function") as found:
        try:
            reference = found if isinstance(found, AbstractReference) else found()
        except InputError:
            raise
        except Exception as error:  # whatever the user's function raises
            raise InputError(
                f"reference.function is {config.function!r}, which raised {type(error).__name__} when called without "
                f"arguments ({error}); let it return a reference, such as sp.reference.from_function(...)."
            ) from None
    if not isinstance(reference, AbstractReference):
        raise InputError(
            f"reference.function is {config.function!r}, which gives a {type(reference).__name__}; let it return a "
            "reference, such as sp.reference.from_function(...)."
        )
    return reference


_MAKERS: dict[type[Table], Callable] = {
    BasketConfig: _basket,
    BlackScholesConfig: _library_model(black_scholes),
    HestonConfig: _library_model(heston),
    GeneExpressionConfig: _library_model(gene_expression),
    RandomMediumConfig: _library_model(random_medium),
    FunctionConfig: _own,
}
