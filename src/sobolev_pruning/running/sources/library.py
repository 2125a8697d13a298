"""Models of the library by their tables."""

from collections.abc import Callable

from ..._foundation.errors import InputError
from ...reference import (
    AbstractReference,
    Design,
    GaussianBasket,
    black_scholes,
    gene_expression,
    heston,
    payoffs,
    random_medium,
)
from ..source_config import (
    BasketConfig,
    BlackScholesConfig,
    GeneExpressionConfig,
    HestonConfig,
    LibraryConfig,
    RandomMediumConfig,
    Table,
)


def library_reference(
    config: LibraryConfig, seed: int, design: Design = "random", conditional: bool = False
) -> AbstractReference:
    """The model that a table describes; `seed` draws a market that the table does not fix.

    `design` and `conditional` are about its samples: evenly spread points, and labels that are expectations over the
    one coordinate of the noise that matters most. Raises `InputError` where the model refuses a parameter.
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
        if conditional and "conditional" not in settings:
            raise InputError(f"Labels of the kind {config.kind} cannot be made conditional; leave it out.")
        if conditional:
            settings["conditional"] = True
        return factory(**settings)

    return make


_MAKERS: dict[type[Table], Callable] = {
    BasketConfig: _basket,
    BlackScholesConfig: _library_model(black_scholes),
    HestonConfig: _library_model(heston),
    GeneExpressionConfig: _library_model(gene_expression),
    RandomMediumConfig: _library_model(random_medium),
}
