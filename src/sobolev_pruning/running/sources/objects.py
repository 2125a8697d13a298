"""Sources that are objects of Python: references, networks, samples, functions."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from ..._foundation.arrays import PRNGKey
from ..._foundation.errors import InputError
from ..._foundation.samples import Samples
from ...reference import AbstractReference
from ...sampling import DataFile
from ...sampling.doubts import doubts_about
from ...surrogate import Surrogate
from ..source_config import ObjectConfig
from .data_source import DataSource
from .opening import Workers, box_of, function_source, network_source
from .reference_source import ReferenceSource
from .source import AbstractSource


def words_for(what: object) -> str:
    """What an object is called in tables: the name of a function, else that of its class."""
    return getattr(what, "__name__", type(what).__name__)


def opened_object(
    what: object, config: ObjectConfig, key: PRNGKey, workers: Workers
) -> AbstractContextManager[AbstractSource]:
    """A context with the source that `what` is; `key` chooses test rows of samples.

    Raises `InputError` where it can be none, or a box is missing or given in vain.
    """
    box = None if config.box is None else box_of(config.box)
    if isinstance(what, AbstractReference):
        if box is not None:
            raise InputError("The reference has a box of its own; leave the box out.")
        return nullcontext(ReferenceSource(what))
    if isinstance(what, Surrogate):
        return nullcontext(network_source(what, "The network", box))
    if isinstance(what, Samples):
        data = DataFile(Path("samples"), what, (), (), doubts_about(what))
        return nullcontext(DataSource(data, key, config.box))
    if not callable(what):
        raise InputError(
            f"The source is of type {type(what).__name__}; give a function, a reference, samples, a network, a "
            "configuration, or what the command run takes, as text."
        )
    return function_source(what, words_for(what), box, config, workers)
