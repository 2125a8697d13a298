"""What `sp.run` is given in Python: its configuration, and the source that an object is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sobolev_pruning as sp
from sobolev_pruning import InputError
from sobolev_pruning.reference import Box, black_scholes, payoffs
from sobolev_pruning.running.asked import asked
from sobolev_pruning.running.config import RunConfig
from sobolev_pruning.running.sources import Workers
from sobolev_pruning.running.sources.objects import opened_object

NAMED = {"size": (-1.0, 1.0), "angle": (0.0, 2.0)}


def wave(x, z):
    return jnp.tanh(x[0] + 0.5 * x[1] + 0.1 * z[0])


def python_wave(x, seed):
    return float(np.tanh(x[0] + 0.5 * x[1]))


def opened(what, **options):
    config, given = asked(what, options.pop("box", None), None, None, **options)
    assert given is what
    return opened_object(given, config.source, jax.random.key(config.seed), Workers())


def test_what_is_said_in_python_is_what_the_command_line_says():
    config, what = asked(wave, NAMED, {"value": 0.99}, 7, samples=64, minutes=2.0, max_parameters=None)
    assert what is wave and config.name == "wave" and config.source.object == "wave"
    assert (config.seed, config.samples, config.minutes) == (7, 64, 2.0)
    assert config.search.tolerance.value == 0.99 and config.source.box == NAMED
    of_key, _ = asked(wave, Box([-1.0, 0.0], [1.0, 2.0], ("size", "angle")), None, jax.random.key(7))
    assert of_key.seed == 7 and of_key.source.box == NAMED
    in_figures, _ = asked("net.onnx", ([0.0], [1.0]), sp.Tolerance(value=0.1, figure="rmse"), None)
    assert in_figures.search.tolerance.figure == "rmse" and in_figures.source.box == {"x0": (0.0, 1.0)}
    columns, _ = asked("rows.csv", None, None, None, x=("a", "b"), y="c", max_parameters=9)
    assert (columns.source.x, columns.source.y, columns.search.max_parameters) == (("a", "b"), "c", 9)
    library, _ = asked("black-scholes", {"spot": (70.0, 130.0)}, None, None)
    assert library.source.inputs == {"spot": (70.0, 130.0)}
    with pytest.raises(InputError, match="The configuration says all of a run"):
        asked(RunConfig(name="all"), None, None, 3)
    with pytest.raises(InputError, match=r"The box is said in plan.toml itself"):
        asked("plan.toml", NAMED, None, None)


def test_every_kind_of_object_is_a_source():
    with opened(wave, box=NAMED, noise=1) as source:
        assert source.reference is not None and [each.name for each in source.inputs] == ["size", "angle"]
    with opened(python_wave, box=NAMED) as source:
        assert source.reference is None and source.title == "The function python_wave, a function of size, angle"
    with opened(black_scholes(payoffs.call, inputs={"spot": (70.0, 130.0)})) as source:
        assert source.reference.kind.startswith("call on 1")
    x = np.linspace(0.0, 1.0, 40)[:, None]
    samples = sp.Samples(x, x[:, 0] ** 2, 2.0 * x)
    with opened(samples) as source:
        assert not source.endless and source.n_rows == 32 and source.order == 1
    network = sp.Surrogate.create([1, 2, 1], samples, key=jax.random.key(0))
    with opened(network) as source:  # over its training range
        assert source.is_network and source.box[1] == 1.0


def test_what_is_no_source_is_one_sentence():
    with pytest.raises(InputError, match="The source is of type int; give a function"):
        opened(3)
    with pytest.raises(InputError, match="wave is a simulator and needs a range for each input"), opened(wave):
        pass
    with pytest.raises(InputError, match="The reference has a box of its own"):
        opened(black_scholes(payoffs.call, inputs={"spot": (70.0, 130.0)}), box=NAMED)
    x = np.linspace(0.0, 1.0, 9)[:, None]
    with pytest.raises(InputError, match="too few to learn from"):
        opened(sp.Samples(x, x[:, 0]))
