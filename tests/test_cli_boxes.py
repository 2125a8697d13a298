"""Boxes and data files as the command line takes them, and the doubts it raises about them."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from sobolev_pruning import InputError, Surrogate
from sobolev_pruning._foundation.variables import Variable
from sobolev_pruning.commands import DataOptions
from sobolev_pruning.commands.boxes import box_text, point_text, read_box, read_ranges
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
def test_ranges_become_a_box(network, text, lower, upper):
    box = read_box(text, network)
    np.testing.assert_array_equal([box.lower, box.upper], [lower, upper])


def test_a_data_file_becomes_its_range(network, table):
    box = read_box(f"@{table}", network, "spot,vol")
    np.testing.assert_array_equal([box.lower, box.upper], [[90.0, 0.1], [110.0, 0.3]])


@pytest.fixture(scope="module")
def named(trained):
    return replace(trained, inputs=["spot [USD]", "vol"], outputs=["price"])


@pytest.mark.parametrize(
    ("text", "lower", "upper"),
    [
        ("spot=60:140,vol=0.1:0.4", [60, 0.1], [140, 0.4]),
        ('vol = 0.1:0.4 , "spot" = 60:140', [60, 0.1], [140, 0.4]),
        ("vol=0.1:0.4", [0, 0.1], [1, 0.4]),
        ("spot [USD]=60:140", [60, -1], [140, 1]),
    ],
)
def test_ranges_by_name_come_in_any_order_and_the_training_range_fills_the_rest(named, text, lower, upper):
    box = read_box(text, named)
    np.testing.assert_array_equal([box.lower, box.upper], [lower, upper])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("spto=60:140", "--box names 'spto', which is none of the 2; did you mean 'spot'"),
        ("vol=3:1", r"--box gives vol a range from 3 to 1; give finite ends"),
        ("spot=1:2,spot=1:3", "--box names 'spot' twice; give every input one range"),
        ("spot=1:2,0:1", r"--box names some inputs only \(spot\); give all ranges a name, or none"),
        ("x0=1:2", "--box says nothing of x1, and the network holds no training range; name every input"),
    ],
)
def test_what_names_no_range_is_told(named, network, text, message):
    with pytest.raises(InputError, match=message):
        read_box(text, network if "x0" in text else named)


def test_columns_are_those_of_the_network_where_nobody_says_otherwise(named, table):
    samples = find_domain(named, None, DataOptions(table)).samples
    assert (samples.inputs, samples.outputs) == ((Variable("spot"), Variable("vol")), (Variable("price"),))
    assert read_box(f"@{table}", named).upper.tolist() == [110.0, 0.3]
    table.write_text(TABLE.replace("spot", "S").replace("price", "worth"))
    samples = find_domain(named, None, DataOptions(table, "S,vol", "worth")).samples
    assert (samples.inputs, samples.outputs) == (named.inputs, named.outputs)
    with pytest.raises(InputError, match="no column 'spot' for x; there are 'S', 'vol', 'worth'"):
        find_domain(named, None, DataOptions(table))
    table.write_text(TABLE)
    with pytest.raises(InputError, match=r"are spot, vol, those of .*data.csv vol, spot; give them in one order"):
        find_domain(named, None, DataOptions(table, "vol,spot", "price"))


def test_boxes_and_points_are_told_by_name(named, network):
    assert box_text(named.inputs, [60, 0.1], [140, 0.4]) == "spot=60:140,vol=0.1:0.4"
    assert box_text(network.inputs, [0, 0], [1, 1]) == "0:1" and box_text(network.inputs, [0, 1], [1, 2]) == "0:1,1:2"
    assert point_text(named.inputs, [60, 0.1]) == "spot=60, vol=0.1" and point_text(network.inputs, [1, 2]) == "(1, 2)"


def test_a_data_file_needs_no_outputs(network, tmp_path):
    (tmp_path / "inputs.csv").write_text("x0,x1\n1,2\n3,5\n")
    np.testing.assert_array_equal(read_box(f"@{tmp_path / 'inputs.csv'}", network).upper, [3.0, 5.0])


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
        ("0:1,1:0", "--box gives x1 a range from 1 to 0; give finite ends, the lower one first"),
        ("0:inf", "from 0 to inf; give finite ends"),
        ("nan:1", "from nan to 1"),
        ("2:2", "box is a single point"),
        ("@none.csv", "no file none.csv"),
        ("@none.txt", "none.txt ends in none of .csv, .npz, .h5, .hdf5, .parquet"),
    ],
)
def test_what_is_no_box_is_told(network, text, message):
    with pytest.raises(InputError, match=message):
        read_box(text, network)


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
        ("=0:1", "--box has a range without a name before its ="),
        ("a=0:1,a=0:1", "The law of the inputs has the name 'a' twice"),
        ("0:1,2:2", r"The box is empty in input 1: \[2, 2\]; give lower below upper"),
        ("0:inf", "upper holds a number that is not finite"),
    ],
)
def test_what_is_no_place_to_sample_is_told(text, message):
    with pytest.raises(InputError, match=message):
        read_ranges(text)


def test_a_data_file_must_have_the_inputs(network, table):
    with pytest.raises(InputError, match=r"no column matches x='x\*'; there are 'spot', 'vol', 'price'"):
        read_box(f"@{table}", network)
    with pytest.raises(InputError, match="has 3 columns spot,vol,price, but the network has 2 inputs"):
        read_box(f"@{table}", network, "spot,vol,price")


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
    assert "Input x1 reaches from -1 to 3, but the network was trained from -1 to 1;" in sentence
    (sentence,) = outside_training_range(trained, [-1.0, -2.0], [1.0, 1.0])
    assert "(and 1 more inputs likewise)" in sentence
    assert outside_training_range(trained, [-0.009, 0.0], [1.0, 1.0]) == ()
    assert outside_training_range(network, [-9.0, -9.0], [9.0, 9.0]) == ()


def test_data_outside_of_the_training_range_are_told_though_the_box_lies_inside(trained, table):
    domain = find_domain(trained, "0:1", DataOptions(table, "spot,vol", "price"))
    assert len(domain.warnings) == 1 and "Input x0 reaches from 90 to 110" in domain.warnings[0]
