"""Data files: every format gives the same samples; every fault is named with its row and column."""

import builtins

import h5py
import jax.numpy as jnp
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from sobolev_pruning import InputError, Samples
from sobolev_pruning.sampling import read_inputs, read_samples, write_samples

N, D, K = 40, 3, 2
GENERATOR = np.random.default_rng(2)
X = GENERATOR.normal(size=(N, D))
Y = GENERATOR.normal(size=(N, K)) * [1.0, 1e4]
DYDX = GENERATOR.normal(size=(N, K, D))
X_NAMES, Y_NAMES = ["spot", "vol", "rate"], ["price", "cost"]


def columns(derivative="d{y}/d{x}"):
    table = {f"{name} [{unit}]": X[:, i] for i, (name, unit) in enumerate(zip(X_NAMES, "abc"))}
    table["day"] = np.arange(N) / 7
    table |= {name: Y[:, j] for j, name in enumerate(Y_NAMES)}
    table |= {derivative.format(x=x, y=y): DYDX[:, j, i] for i, x in enumerate(X_NAMES) for j, y in enumerate(Y_NAMES)}
    return table


def write_csv(path, table, delimiter=","):
    rows = [delimiter.join(table)] + [delimiter.join(repr(float(cell)) for cell in row) for row in zip(*table.values())]
    path.write_text("\n".join(rows) + "\n")


def write_parquet(path, table):
    pyarrow.parquet.write_table(pyarrow.table({name: column for name, column in table.items()}), path)


def write_hdf5(path, table):
    with h5py.File(path, "w") as file:
        for name, column in table.items():
            file[name] = column  # a slash in the name makes a group


WRITERS = {
    "run.csv": write_csv,
    "semicolon.csv": lambda path, table: write_csv(path, table, ";"),
    "run.parquet": write_parquet,
    "run.h5": write_hdf5,
    "run.npz": lambda path, table: np.savez(path, **table),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("derivative", ["d{y}/d{x}", "d{y}_d{x}", "grad({y}|{x})"])
def test_every_format_gives_the_same_samples(tmp_path, name, derivative):
    path = tmp_path / name
    WRITERS[name](path, columns(derivative))
    data = read_samples(path, x=X_NAMES, y=Y_NAMES, dydx=derivative if "grad" in derivative else None)
    np.testing.assert_array_equal(data.samples.x, X)
    np.testing.assert_array_equal(data.samples.y, Y)
    np.testing.assert_array_equal(data.samples.dydx, DYDX)
    assert [column.variable.unit for column in data.ranges] == ["a", "b", "c", None, None]
    assert data.ranges[4].highest == Y[:, 1].max() and data.ranges[4].role == "output"
    assert [variable.unit for variable in data.samples.inputs] == ["a", "b", "c"]
    assert data.note.endswith("40 samples, 3 inputs, 2 outputs, all 6 partial derivatives.")


def test_columns_by_pattern_and_arrays_by_name(tmp_path):
    arrays = {"x": X, "y": Y, "dydx": DYDX}
    np.savez(tmp_path / "run.npz", **arrays)
    write_hdf5(tmp_path / "run.hdf5", arrays | {"day": np.array(["Monday"] * N, dtype=object)})
    np.testing.assert_array_equal(read_samples(tmp_path / "run.hdf5").samples.dydx, DYDX)
    data = read_samples(tmp_path / "run.npz")
    assert [[each.name for each in of] for of in (data.samples.inputs, data.samples.outputs)] == [
        ["x0", "x1", "x2"],
        ["y0", "y1"],
    ]
    np.testing.assert_array_equal(data.samples.dydx, DYDX)
    np.savez(tmp_path / "scalar.npz", x=X, y=Y[:, 0], dydx=DYDX[:, 0])
    data = read_samples(tmp_path / "scalar.npz")
    np.testing.assert_array_equal(data.samples.y, Y[:, 0])
    np.testing.assert_array_equal(data.samples.dydx, DYDX[:, 0])
    np.savez(tmp_path / "named.npz", **{f"in[{i}]": X[:, i] for i in range(D)}, out=Y[:, 0])
    data = read_samples(tmp_path / "named.npz", x="in*", y="out")
    assert [each.name for each in data.samples.inputs] == ["in[0]", "in[1]", "in[2]"]
    data = read_samples(tmp_path / "run.npz", x=["x1", "x0"], y=["y1"], dydx=["dydx1_1", "dydx1_0"])
    np.testing.assert_array_equal(data.samples.dydx, DYDX[:, 1, [1, 0]])


def test_text_in_columns_that_are_not_used_is_ignored(tmp_path):
    (tmp_path / "a.csv").write_text("day,x0,y\nMonday,1,2\nTuesday,3,4\n")
    np.testing.assert_array_equal(read_samples(tmp_path / "a.csv").samples.x, [[1.0], [3.0]])


def test_missing_partials_are_stated(tmp_path):
    table = columns()
    del table["dcost/dvol"]
    write_csv(tmp_path / "run.csv", table)
    data = read_samples(tmp_path / "run.csv", x=X_NAMES, y=Y_NAMES)
    assert data.missing == ("dcost/dvol",)
    expected = DYDX.copy()
    expected[:, Y_NAMES.index("cost"), X_NAMES.index("vol")] = np.nan
    np.testing.assert_array_equal(data.samples.dydx, expected)
    n = len(expected)
    assert f"1 of 6 partial derivatives are missing (dcost/dvol); {n} of {6 * n} derivatives are not known" in data.note
    without = read_samples(tmp_path / "run.csv", x=["spot", "rate"], y=Y_NAMES)
    np.testing.assert_array_equal(without.samples.dydx, DYDX[:, :, [0, 2]])
    plain = {name: column for name, column in table.items() if not name.startswith("d")}
    write_csv(tmp_path / "plain.csv", plain)
    assert "no derivatives" in read_samples(tmp_path / "plain.csv", x=X_NAMES, y=Y_NAMES).note


def test_an_empty_cell_among_the_derivatives_is_not_known(tmp_path):
    (tmp_path / "a.csv").write_text("x0,x1,y,dydx0,dydx1\n1,2,3,4,5\n2,3,4,,6\n")
    data = read_samples(tmp_path / "a.csv")
    np.testing.assert_array_equal(data.samples.dydx, [[4.0, 5.0], [np.nan, 6.0]])
    assert data.missing == () and "1 of 4 derivatives are not known and left out" in data.note


@pytest.mark.parametrize("missing", ["", "nan", " NA ", "#N/A", "-inf", "null"])
def test_rows_of_runs_that_failed_are_left_out_and_counted(tmp_path, missing):
    (tmp_path / "a.csv").write_text(f"x0,x1,y,dydx0\n1,2,3,1\n4,{missing},6,2\n7,8,{missing},\n1,1,1,\n")
    with pytest.warns(
        UserWarning, match=r"2 of 4 rows lack a finite input or output and are left out \(the first: row 2"
    ):
        data = read_samples(tmp_path / "a.csv")
    np.testing.assert_array_equal(data.samples.x, [[1.0, 2.0], [1.0, 1.0]])
    np.testing.assert_array_equal(data.samples.dydx, [[1.0, np.nan], [np.nan, np.nan]])
    assert data.doubts.warnings[0].startswith("2 of 4 rows")
    with pytest.warns(UserWarning, match="1 of 4 rows lacks"):
        assert len(read_inputs(tmp_path / "a.csv")) == 3


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_table_as_european_programs_write_it(tmp_path, encoding, delimiter):
    rows = [
        ["Höhe", "Zeit [s]", "Kraft", "Nr"],
        ["m", "", "N", "-"],
        ["1,5", "2", "-3,25e-1", "1"],
        ["2", "-,5", "4", "2"],
    ]
    (tmp_path / "a.csv").write_bytes("\r\n".join(map(delimiter.join, rows)).encode(encoding))
    samples = read_samples(tmp_path / "a.csv", x=["Höhe", "Zeit"], y=["Kraft"]).samples
    np.testing.assert_array_equal(samples.x, [[1.5, 2.0], [2.0, -0.5]])
    np.testing.assert_array_equal(samples.y, [-0.325, 4.0])
    assert [str(variable) for variable in (*samples.inputs, *samples.outputs)] == ["Höhe [m]", "Zeit [s]", "Kraft [N]"]
    with pytest.raises(InputError, match="'Nr'; name them, such as x=Höhe,Zeit and y=Kraft"):
        read_samples(tmp_path / "a.csv")


def test_many_columns_are_proposed_and_read_as_patterns(tmp_path):
    names = [f"mode {i}" for i in range(1, 13)] + ["mach", "drag"]
    (tmp_path / "a.csv").write_text(",".join(names) + "\n" + "\n".join(",".join([f"{i}.5"] * 14) for i in range(3)))
    with pytest.raises(InputError, match=r'name them, such as x="mode \*",mach and y=drag'):
        read_samples(tmp_path / "a.csv")
    samples = read_samples(tmp_path / "a.csv", x=["mode *", "mach"], y=["drag"]).samples
    assert [variable.name for variable in samples.inputs] == names[:-1]
    with pytest.raises(InputError, match="names the columns"):
        read_samples(tmp_path / "a.csv", x=["mode *", "mode 1"], y=["drag"])
    with pytest.raises(InputError, match=r"no column 'mdoe \*' for x"):
        read_samples(tmp_path / "a.csv", x=["mdoe *", "mach"], y=["drag"])


def test_the_split_is_a_partition_that_depends_on_the_seed(tmp_path):
    np.savez(tmp_path / "run.npz", x=X, y=Y[:, 0])
    data = read_samples(tmp_path / "run.npz")
    parts = data.split(held_out=0.2, test=0.3, seed=1)
    assert [len(part) for part in parts] == [20, 8, 12]
    np.testing.assert_array_equal(np.sort(np.concatenate([part.x[:, 0] for part in parts])), np.sort(X[:, 0]))
    np.testing.assert_array_equal(parts[2].x, data.split(held_out=0.2, test=0.3, seed=1)[2].x)
    assert not np.array_equal(parts[2].x, data.split(held_out=0.2, test=0.3, seed=2)[2].x)
    np.testing.assert_allclose(data.box, np.quantile(X, [0.01, 0.99], axis=0))
    with pytest.raises(InputError, match="together they must be below 1"):
        data.split(held_out=0.5, test=0.5)


def test_reading_a_csv_needs_no_extra_and_other_formats_say_what_to_install(tmp_path, monkeypatch):
    for name in ("run.csv", "run.parquet", "run.h5"):
        WRITERS[name](tmp_path / name, columns())
    real_import = builtins.__import__

    def without_extras(name, *arguments, **keywords):
        if name.split(".")[0] in ("pyarrow", "h5py"):
            raise ImportError(name)
        return real_import(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_extras)
    assert read_samples(tmp_path / "run.csv", x=X_NAMES, y=Y_NAMES).samples.y.dtype == jnp.float64
    with pytest.raises(InputError, match=r"install sobolev-pruning\[parquet\]"):
        read_samples(tmp_path / "run.parquet", x=X_NAMES, y=Y_NAMES)
    with pytest.raises(InputError, match=r"install sobolev-pruning\[hdf5\]"):
        read_samples(tmp_path / "run.h5", x=X_NAMES, y=Y_NAMES)


GOOD = "x0,x1,y\n1,2,3\n4,5,6\n"


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        (
            "a.csv",
            "x0,x1,y\n1,2,inf\n4,nan,6\n",
            {},
            "every row lacks a number that is needed .the first: row 1, col",
        ),
        ("a.csv", "x0,y,dydx0\n1,2,inf\n4,5,6\n", {}, r"row 1, column 'dydx0' holds inf \(1 such rows in all\); corr"),
        (
            "a.csv",
            "x0;y\n1,5;2\n2.5;3\n",
            {},
            "column 'x0' holds '1,5', a decimal comma, and decimal poi",
        ),
        ("a.csv", "x0;y\n1.234,5;2\n", {}, "row 1, column 'x0' holds '1.234,5', which is no number"),
        ("a.csv", "x0,y\nm,s\n1,2\n2,z\n", {}, "row 3, column 'y' holds 'z', which is no number"),
        ("a.csv", "x0,y\nm,s\nkg,K\n", {}, "row 1, column 'x0' holds 'm', which is no number"),
        ("a.csv", "x0,x1,y\n1,2,3\n4,5 m,6\n", {}, "row 2, column 'x1' holds '5 m', which is no number"),
        ("a.csv", "x0,x1,y\n1,2,3\n4,5\n", {}, "row 2 has 2 entries and the header 3"),
        ("a.csv", "x0,x0,y\n1,2,3\n", {}, "two columns named 'x0'"),
        ("a.csv", "x0 [m],x0 [s],y\n1,2,3\n", {}, "two columns named 'x0'"),
        ("a.csv", "x0,x1,y\n", {}, "no rows"),
        ("a.csv", "", {}, "no columns"),
        ("a.csv", b"\xff\xfe\x00x", {}, "not text in UTF-8 or Latin-1"),
        ("a.txt", GOOD, {}, "ends in none of .csv, .npz, .h5, .hdf5, .parquet"),
        ("a.csv", None, {}, "There is no file"),
        (
            "a.csv",
            GOOD,
            {"x": "in*"},
            "x='in\\*'; there are 'x0', 'x1', 'y'; name them, such as x=x0,x1 and y=y",
        ),
        ("a.csv", ",a b,c,t\n0,1,2,u\n1,3,5,u\n", {}, "'', 'a b', 'c', 't'; name them, such as x=\"a b\" and y=c"),
        ("a.csv", GOOD, {"x": ["x0", "x7"]}, "no column 'x7' for x"),
        ("a.csv", GOOD, {"x": ["x0", "x0"]}, "name each once"),
        ("a.csv", GOOD, {"x": ["y"]}, "x and y name the same columns"),
        ("a.csv", GOOD, {"dydx": "grad_{x}"}, "no column matches dydx='grad_{x}' .as 'grad_x0'"),
        ("a.csv", GOOD, {"dydx": "{z}"}, "is no template"),
        ("a.csv", GOOD, {"dydx": ["y"]}, "dydx names 1 columns; 1 outputs and 2 inputs have 2 derivatives"),
        ("a.npz", b"PK no archive", {}, "cannot be read as an NPZ file"),
        ("a.h5", b"\x89HDF no file", {}, "cannot be read as an HDF5 file"),
        ("a.parquet", b"PAR1 no file", {}, "cannot be read as a Parquet file"),
    ],
)
def test_faults_are_named(tmp_path, name, content, options, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message):
        read_samples(path, **options)


def test_arrays_of_the_wrong_kind_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=X, y=Y[:10, 0])
    with pytest.raises(InputError, match="column 'y' has 10 rows and another one 40"):
        read_samples(path)
    np.savez(path, x=X[:, :, None, None], y=Y)
    with pytest.raises(InputError, match=r"array 'x' has type float64 and shape \(40, 3, 1, 1\)"):
        read_samples(path)
    np.savez(path, x=X, y=np.array(["a"] * N))
    with pytest.raises(InputError, match="column 'y' holds text, which is no number; give numbers, or leave"):
        read_samples(path)
    np.savez(path, x=X, y=np.array([None] * N))
    with pytest.raises(InputError, match="cannot be read as an NPZ file of numbers"):
        read_samples(path)
    write_hdf5(tmp_path / "a.h5", {"x": X, "y": np.zeros(N, [("one", "f8"), ("two", "f8")])})
    with pytest.raises(InputError, match=r"column 'y' holds .*'one', .*'two', .* is no number; give numbers"):
        read_samples(tmp_path / "a.h5")
    np.savez(path, x=X, y=Y[:, 0], note=np.array(["a"] * N))
    np.testing.assert_array_equal(read_samples(path).samples.x, X)
    pyarrow.parquet.write_table(pyarrow.table({"x": ["a", "b"], "y": [1.0, 2.0]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="column 'x' holds text, which is no number"):
        read_samples(tmp_path / "a.parquet")


@pytest.mark.parametrize("name", ["written.csv", "written.npz", "WRITTEN.CSV"])
def test_what_is_written_is_read_back_to_the_bit(tmp_path, name):
    dydx = DYDX.copy()
    dydx[3, 1, 2] = np.nan
    # Names that NumPy's own writer, or a plain join by commas, would stumble over.
    x, y = ["file", "vol, implied", "rate"], ["price", "self"]
    inputs = ["file", "vol, implied", "rate [1/year]"]
    samples = Samples(X, Y * [1e-300, 1.0], dydx, missing=True, inputs=inputs, outputs=y)
    table = write_samples(samples, tmp_path / name)
    assert list(table) == [*inputs, *y, *(f"d{yn}/d{xn}" for yn in y for xn in x)]
    read = read_samples(tmp_path / name, x=x, y=y).samples
    assert (read.inputs, read.outputs) == (samples.inputs, samples.outputs)
    for found, written in ((read.x, samples.x), (read.y, samples.y), (read.dydx, samples.dydx)):
        np.testing.assert_array_equal(found, written)
    assert read.n_unknown == 1


def test_by_default_a_written_file_has_the_names_that_are_read_by_default(tmp_path):
    for samples in (Samples(X, Y, DYDX), Samples(X, Y[:, 0], DYDX[:, 0]), Samples(X, Y)):
        write_samples(samples, tmp_path / "written.csv")
        data = read_samples(tmp_path / "written.csv")
        assert data.missing == () or samples.dydx is None
        np.testing.assert_array_equal(data.samples.y, samples.y)
        assert (data.samples.dydx is None) == (samples.dydx is None)


@pytest.mark.parametrize(
    ("name", "names", "message"),
    [
        ("a.parquet", {}, r"a.parquet ends in none of .csv, .npz; give a file of that kind"),
        ("a.csv", {"inputs": ["a", "b", "y0"]}, "inputs a, b, y0 and outputs y0, y1 do not tell all columns apart"),
        ("none/a.csv", {}, "There is no folder .*none to write a.csv into"),
    ],
)
def test_what_cannot_be_written_is_told(tmp_path, name, names, message):
    with pytest.raises(InputError, match=message):
        write_samples(Samples(X, Y, **names), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
