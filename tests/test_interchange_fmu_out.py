"""The functional mock-up unit: valid, the same function as in JAX, and derivatives along any direction, by FMPy."""

import zipfile
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning import InputError
from sobolev_pruning.interchange import save_fmu
from surrogates import LAYERED, layered_surrogate, surrogate_of_shape
from test_interchange_c_out import needs_gcc
from tolerances import ALGEBRAIC, EXPORT_FLOAT64

fmpy = pytest.importorskip("fmpy", reason="FMPy is not installed")

NAMES = {"inputs": ["spot [USD]", "vol <&\"'", "price"], "outputs": ["price [USD]", "τ [1/year]"]}
WRITTEN = ["spot", "vol <&\"'", "price", "price 2", "τ"]
LOWER, UPPER = np.array([-1.0, 0.0, 2.0]), np.array([5.0, 6.0, 2.5])


@pytest.fixture(scope="module")
def surrogate():
    plain = layered_surrogate(*LAYERED["everything"])
    return replace(plain, training_range=(jnp.asarray(LOWER), jnp.asarray(UPPER)), **NAMES)


@pytest.fixture(scope="module")
def unit(surrogate, tmp_path_factory):
    path = tmp_path_factory.mktemp("fmu") / "a net.fmu"
    save_fmu(surrogate, path)
    return path


class Opened:
    """An instance of the unit for co-simulation, or model exchange; `messages` is what it logs."""

    def __init__(self, path, folder, kind="FMU2Slave", guid=None):
        from fmpy import fmi2

        description = fmpy.read_model_description(path)
        fmpy.extract(path, unzipdir=folder)
        self.messages = []
        callbacks = fmi2.fmi2CallbackFunctions()
        callbacks.logger = fmi2.fmi2CallbackLoggerTYPE(lambda *told: self.messages.append(told[4].decode()))
        self.fmu = getattr(fmi2, kind)(
            guid=guid or description.guid, unzipDirectory=folder, modelIdentifier="a_net", instanceName="one"
        )
        self.fmu.instantiate(callbacks=callbacks)


@needs_gcc
def test_the_unit_is_valid_and_says_names_units_and_ranges(unit):
    from fmpy.validation import validate_fmu

    assert validate_fmu(str(unit)) == []
    description = fmpy.read_model_description(unit)
    variables = description.modelVariables
    assert [variable.name for variable in variables] == WRITTEN
    assert [variable.unit for variable in variables] == ["USD", None, None, "USD", "1/year"]
    assert [float(each.start) for each in variables[:3]] == [2.0, 3.0, 2.25]
    assert [(float(each.min), float(each.max)) for each in variables[:3]] == list(zip(LOWER, UPPER))
    assert description.modelExchange.providesDirectionalDerivative
    assert description.coSimulation.providesDirectionalDerivative
    assert fmpy.supported_platforms(unit) == ["c-code", "linux64"]


@needs_gcc
@pytest.mark.parametrize("kind", ["CoSimulation", "ModelExchange"])
def test_outputs_follow_the_inputs_in_a_simulation(surrogate, unit, kind):
    times = np.linspace(0.0, 2.0, 5)
    path = LOWER + np.outer(times / 2, UPPER - LOWER)
    signals = np.array([(t, *x) for t, x in zip(times, path)], dtype=[(n, float) for n in ("time", *WRITTEN[:3])])
    found = fmpy.simulate_fmu(
        str(unit), fmi_type=kind, input=signals, output=WRITTEN, stop_time=2.0, output_interval=0.25
    )
    assert len(found) >= 8
    x, y = (np.array([found[name] for name in names]).T for names in (WRITTEN[:3], WRITTEN[3:]))
    assert (np.ptp(x, axis=0) > 0.8 * (UPPER - LOWER)).all()
    expected = np.asarray(surrogate.value(x))
    assert np.abs(y - expected).max() <= EXPORT_FLOAT64["value"] * np.abs(expected).max()


@needs_gcc
def test_directional_derivatives_are_those_of_jax(surrogate, unit, tmp_path):
    fmu = Opened(unit, tmp_path).fmu
    generator = np.random.default_rng(0)
    points = generator.uniform(LOWER, UPPER, (50, 3))
    expected = np.asarray(surrogate.gradient(points))
    worst = 0.0
    for x, slopes in zip(points, expected):
        fmu.setReal([0, 1, 2], x)
        direction = generator.standard_normal(3)
        found = fmu.getDirectionalDerivative([4, 3], [2, 0, 1], direction)
        worst = max(worst, np.abs(found - slopes[::-1][:, [2, 0, 1]] @ direction).max())
        one = fmu.getDirectionalDerivative([3], [1], [2.0])
        worst = max(worst, abs(one[0] - 2.0 * slopes[0, 1]))
    assert worst <= ALGEBRAIC * np.abs(expected).max()


@needs_gcc
def test_wrong_calls_are_errors_and_the_range_is_minded(unit, tmp_path):
    from fmpy.fmi1 import FMICallException

    with pytest.raises(Exception, match="Failed to instantiate"):
        Opened(unit, tmp_path / "other", guid="{another}")
    opened = Opened(unit, tmp_path, "FMU2Model")
    fmu = opened.fmu
    assert fmu.getReal([0, 1, 2]) == [2.0, 3.0, 2.25]
    before = fmu.getReal([3, 4])
    wrong = {
        "reference 3 is no input, so it cannot be set": lambda: fmu.setReal([3], [1.0]),
        "reference 5 does not exist": lambda: fmu.getReal([5]),
        "reference 4 is no input; derivatives are by inputs": lambda: fmu.getDirectionalDerivative([3], [4], [1.0]),
        "reference 0 is no output; derivatives are of outputs": lambda: fmu.getDirectionalDerivative([0], [1], [1.0]),
        "has another type: all are Real": lambda: fmu.getInteger([0]),
    }
    for sentence, call in wrong.items():
        with pytest.raises(FMICallException):
            call()
        assert sentence in opened.messages.pop()
    for x, told in ((2.0, 0), (-1.5, 1), (-1.7, 0), (2.0, 0), (5.5, 1), (float("nan"), 0)):
        fmu.setReal([0], [x])
        fmu.getReal([3])
        assert len(opened.messages) == told, x
        opened.messages.clear()
    assert np.isnan(fmu.getReal([3])).all()
    fmu.reset()
    assert fmu.getReal([3, 4]) == before and opened.messages == []


@needs_gcc
def test_one_network_is_one_file_and_another_has_another_guid(surrogate, unit, tmp_path):
    save_fmu(surrogate, tmp_path / "a net.fmu")
    assert (tmp_path / "a net.fmu").read_bytes() == unit.read_bytes()
    save_fmu(replace(surrogate, inputs=["a", "b", "c"]), tmp_path / "a net.fmu", box=(LOWER, UPPER))
    one, other = (fmpy.read_model_description(path) for path in (unit, tmp_path / "a net.fmu"))
    assert one.guid != other.guid and one.coSimulation.modelIdentifier == "a_net"


def test_without_a_compiler_there_are_sources_and_a_warning(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    surrogate = surrogate_of_shape([2, 3, 1], "silu", scalar=True)
    with pytest.warns(UserWarning, match=r"(no C compiler|not 64-bit Linux).*, so .* holds the C sources"):
        save_fmu(surrogate, tmp_path / "net.fmu")
    description = fmpy.read_model_description(tmp_path / "net.fmu")
    assert [float(variable.start) for variable in description.modelVariables[:2]] == surrogate.scaling.x_shift.tolist()
    assert len(zipfile.ZipFile(tmp_path / "net.fmu").namelist()) == 3
    with pytest.raises(InputError, match="name is '1'; give letters"):
        save_fmu(surrogate, tmp_path / "net.fmu", name="1")
