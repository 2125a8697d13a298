"""Boxes and data files as the command line takes them, and the doubts it raises about them."""

import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning import InputError, Surrogate
from sobolev_pruning.commands import DataOptions
from sobolev_pruning.commands.boxes import read_box, read_ranges
from sobolev_pruning.commands.domain import find_domain, outside_training_range
from surrogates import surrogate_of_shape

TABLE = "spot,vol,price\n90,0.1,1.0\n110,0.3,2.0\n100,0.2,3.0\n"


@pytest.fixture(scope="module")
def network():
    return surrogate_of_shape([2, 3, 1], "silu", scalar=True)


@pytest.fixture(scope="module")
def trained(network):
    ends = (jnp.asarray([0.0, -1.0]), jnp.asarray([1.0, 1.0]))
    return Surrogate(network.layers, network.scaling, network.activation, network.scalar_output, ends)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(TABLE)
    return path


@pytest.mark.parametrize(
    ("text", "lower", "upper"),
    [
        ("0.3:1.7", [0.3, 0.3], [1.7, 1.7]),
        ("0.3:1.7,0:1", [0.3, 0.0], [1.7, 1.0]),
        (" -2 : -1 , 1e-3:+2.5E1 ", [-2.0, 1e-3], [-1.0, 25.0]),
        ("5:5,0:1", [5.0, 0.0], [5.0, 1.0]),
    ],
)
def test_ranges_become_a_box(text, lower, upper):
    box = read_box(text, 2)
    np.testing.assert_array_equal([box.lower, box.upper], [lower, upper])


def test_a_data_file_becomes_its_range(table):
    box = read_box(f"@{table}", 2, "spot,vol")
    np.testing.assert_array_equal([box.lower, box.upper], [[90.0, 0.1], [110.0, 0.3]])


def test_a_data_file_needs_no_outputs(tmp_path):
    (tmp_path / "inputs.csv").write_text("x0,x1\n1,2\n3,5\n")
    np.testing.assert_array_equal(read_box(f"@{tmp_path / 'inputs.csv'}", 2).upper, [3.0, 5.0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' where a range LOWER:UPPER is expected"),
        ("@", "'@' where a range"),
        ("0.3", "'0.3' where a range"),
        ("0:1:2", "'0:1:2' where a range"),
        ("a:b", "'a:b' where a range"),
        ("0:1,", "'' where a range"),
        ("0;1", "'0;1' where a range"),
        ("0:1,0:1,0:1", "gives 3 ranges, but the network has 2 inputs"),
        ("0:1,1:0", "box of input 1 reaches from 1 to 0"),
        ("0:inf", "from 0 to inf; give finite ends"),
        ("nan:1", "from nan to 1"),
        ("2:2", "box is a single point"),
        ("@none.csv", "no file none.csv"),
        ("@none.txt", "none.txt ends in none of .csv, .npz, .h5, .hdf5, .parquet"),
    ],
)
def test_what_is_no_box_is_told(text, message):
    with pytest.raises(InputError, match=message):
        read_box(text, 2)


def test_ranges_with_or_without_names_are_where_a_simulator_is_sampled():
    named, plain = read_ranges(" spot = 70:130 , vol=0.1:0.4"), read_ranges("70:130,0.1:0.4")
    assert [[each.name for each in law.variables] for law in (named, plain)] == [["spot", "vol"], ["x0", "x1"]]
    for law in (named, plain):
        np.testing.assert_array_equal(law.box, [[70.0, 0.1], [130.0, 0.4]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' where a range LOWER:UPPER is expected; write 70:130,0.1:0.4 for one input after the other, or spot="),
        ("@data.csv", "'@data.csv' where a range"),
        ("spot=70", "'70' where a range"),
        ("spot=70:130,0.1:0.4", r"--box names some inputs only \(spot\); give all ranges a name, or none"),
        ("a b=0:1", "--box has the name 'a b'; names of inputs are letters, digits and _"),
        ("=0:1", "--box has the name ''"),
        ("a=0:1,a=0:1", "The law of the inputs has the name 'a' twice"),
        ("0:1,2:2", r"The box is empty in input 1: \[2, 2\]; give lower below upper"),
        ("0:inf", "upper holds a number that is not finite"),
    ],
)
def test_what_is_no_place_to_sample_is_told(text, message):
    with pytest.raises(InputError, match=message):
        read_ranges(text)


def test_a_data_file_must_have_the_inputs(table):
    with pytest.raises(InputError, match=r"no column matches x='x\*'; there are 'spot', 'vol', 'price'"):
        read_box(f"@{table}", 2)
    with pytest.raises(InputError, match="has 3 columns spot,vol,price, but the network has 2 inputs"):
        read_box(f"@{table}", 2, "spot,vol,price")


def test_the_box_is_what_was_asked_for_else_the_data_else_the_training_range(trained, network, table):
    data = DataOptions(table, "spot,vol", "price")
    assert find_domain(trained, "0:1", data).box.upper.tolist() == [1.0, 1.0]
    assert find_domain(trained, None, data).box.upper.tolist() == [110.0, 0.3]
    assert find_domain(trained, None, None).box.lower.tolist() == [0.0, -1.0]
    with pytest.raises(InputError, match="holds no training range; say where to look with --box"):
        find_domain(network, None, None)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ("spot", "price", "has 1 inputs, but the network has 2; name their columns with --x"),
        ("spot,vol", "price,vol2", "no column 'vol2' for y"),
        ("spot,vol", "*", None),
    ],
)
def test_data_must_fit_the_network(network, table, x, y, message):
    if message is None:
        assert len(find_domain(network, None, DataOptions(table, x, y)).samples) == 3
        return
    with pytest.raises(InputError, match=message):
        find_domain(network, None, DataOptions(table, x, y))


def test_leaving_the_training_range_is_told(trained, network):
    (sentence,) = outside_training_range(trained, [0.0, -1.0], [1.0, 3.0])
    assert "Input 1 reaches from -1 to 3, but the network was trained from -1 to 1;" in sentence
    (sentence,) = outside_training_range(trained, [-1.0, -2.0], [1.0, 1.0])
    assert "(and 1 more inputs likewise)" in sentence
    assert outside_training_range(trained, [-0.009, 0.0], [1.0, 1.0]) == ()
    assert outside_training_range(network, [-9.0, -9.0], [9.0, 9.0]) == ()


def test_data_outside_of_the_training_range_are_told_though_the_box_lies_inside(trained, table):
    domain = find_domain(trained, "0:1", DataOptions(table, "spot,vol", "price"))
    assert len(domain.warnings) == 1 and "Input 0 reaches from 90 to 110" in domain.warnings[0]
