"""The C header: clean under strict compilers and sanitizers, and the same function as in JAX."""

import ctypes
import ctypes.util
import shutil
import subprocess
from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from activation_names import EVERY, REPRESENTATIVE
from sobolev_pruning import InputError
from sobolev_pruning.interchange import save_c, save_onnx
from sobolev_pruning.interchange.write.c_kernels import OUTPUTS
from surrogates import LAYERED, layered_surrogate, surrogate_of_shape
from test_interchange_onnx_out import assert_agreement, inputs_for, truth
from tolerances import EXPORT_FLOAT32, EXPORT_FLOAT64

STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic"]

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")

# The header's functions are inline; these give them addresses.
WRAPPERS = """
#include "net.h"
#define T {number}
void value(const T *x, T *v) {{ net_value(x, v); }}
void gradient(const T *x, T *v, T *g) {{ net_gradient(x, v, g); }}
void hessian(const T *x, T *v, T *g, T *h) {{ net_hessian(x, v, g, h); }}
void hvp(const T *x, const T *d, T *v, T *g, T *h) {{ net_hvp(x, d, v, g, h); }}
void curvature(const T *x, const T *d, T *v, T *g, T *c) {{ net_curvature(x, d, v, g, c); }}
void value_batch(long n, const T *x, T *v) {{ net_value_batch(n, x, v); }}
void gradient_batch(long n, const T *x, T *v, T *g) {{ net_gradient_batch(n, x, v, g); }}
void hessian_batch(long n, const T *x, T *v, T *g, T *h) {{ net_hessian_batch(n, x, v, g, h); }}
void curvature_batch(long n, const T *x, const T *d, T *v, T *g, T *c)
{{ net_curvature_batch(n, x, d, v, g, c); }}
void hvp_batch(long n, const T *x, const T *d, T *v, T *g, T *h) {{ net_hvp_batch(n, x, d, v, g, h); }}
int in_range(const T *x) {{ return net_in_range(x); }}
"""


def compiled(folder, surrogate, dtype="float64", compiler="gcc", flags=("-O1",)):
    box = (np.zeros(surrogate.widths[0]), np.full(surrogate.widths[0], 2.0))
    save_c(surrogate, folder / "net.h", name="net", dtype=dtype, box=box)
    (folder / "net.c").write_text(WRAPPERS.format(number="double" if dtype == "float64" else "float"))
    command = [compiler, "-std=c99", *STRICT, *flags, "-shared", "-fPIC", "net.c", "-o", "net.so", "-lm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(folder / "net.so"))


def evaluated(library, surrogate, points, directions, dtype, batch):
    """What every function gives, of all points at once or one by one; the direction of the curvature is the first."""
    d, k, n = surrogate.widths[0], surrogate.widths[-1], len(points)
    x, directions = (np.ascontiguousarray(array, dtype) for array in (points, directions))
    direction = directions[0]
    shapes = {"value": (n, k), "gradient": (n, k, d), "curvature": (n, k), "hvp": (n, k, d), "hessian": (n, k, d, d)}
    inputs = {"curvature": [x, direction], "hvp": [x, directions]}
    found = {}
    for kind, names in OUTPUTS.items():
        outputs = {name: np.full(shapes[name], np.nan, dtype) for name in names}
        arrays = [*inputs.get(kind, [x]), *outputs.values()]
        if batch:
            getattr(library, f"{kind}_batch")(ctypes.c_long(n), *map(pointer, arrays))
        else:
            for i in range(n):
                getattr(library, kind)(*(pointer(array if array is direction else array[i]) for array in arrays))
        found = outputs | found
        for name, array in outputs.items():
            np.testing.assert_allclose(array, found[name], rtol=1e-4, atol=1e-6)
    return {name: array[:, 0] if surrogate.scalar_output else array for name, array in found.items()}


def pointer(array):
    return array.ctypes.data_as(ctypes.c_void_p)


def truth_with_curvature(surrogate, points, directions):
    arrays = truth(surrogate, points, directions)
    return arrays | {"curvature": np.einsum("n...ab,a,b->n...", arrays["hessian"], directions[0], directions[0])}


CASES = [([3, 5, 4, 1], True, activation) for activation in EVERY] + [
    (widths, scalar, "silu")
    for widths, scalar in [([2, 5, 3], False), ([1, 1, 1], True), ([3, 1], True), ([3, 2], False), ([2, 20, 2], False)]
]


@needs_gcc
@pytest.mark.parametrize("case", [*CASES, *LAYERED], ids=str)
def test_c_agrees_with_jax(tmp_path, case):
    if isinstance(case, str):
        surrogate = layered_surrogate(*LAYERED[case])
    else:
        widths, scalar, activation = case
        surrogate = surrogate_of_shape(widths, activation, scalar)
    points, directions = inputs_for(surrogate, n=37)
    library = compiled(tmp_path, surrogate)
    expected = truth_with_curvature(surrogate, points, directions)
    for batch in (False, True):
        found = evaluated(library, surrogate, points, directions, np.float64, batch)
        assert_agreement(found, expected, EXPORT_FLOAT64)


@pytest.fixture
def usual_arithmetic():
    """What is linked for fast mathematics flushes small numbers to 0, in all that the thread that loads it does later:
    the default environment of floating numbers is set again.
    """
    yield
    default = ctypes.c_void_p(-1)  # FE_DFL_ENV of the GNU library
    assert ctypes.CDLL(ctypes.util.find_library("m")).fesetenv(default) == 0
    assert np.all(np.full(2, 1e-310) * np.ones(2) > 0.0)


FAST = [
    ["-Ofast"],
    ["-O3", "-ffast-math", "-march=native"],
    ["-O2", "-funsafe-math-optimizations"],
    ["-O2", "-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math"],
]
"""What lets a compiler treat sums as if they were not rounded."""


@pytest.mark.parametrize("flags", FAST, ids=" ".join)
@pytest.mark.parametrize(("compiler", "activation"), [("gcc", "silu"), ("gcc", "gelu"), ("clang", "gelu")])
@pytest.mark.usefixtures("usual_arithmetic")
def test_fast_mathematics_of_compilers_does_no_harm(tmp_path, compiler, activation, flags):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    surrogate = surrogate_of_shape([3, 5, 4, 1], activation, scalar=True)
    points, directions = inputs_for(surrogate, n=37)
    library = compiled(tmp_path, surrogate, compiler=compiler, flags=flags)
    expected = truth_with_curvature(surrogate, points, directions)
    for batch in (False, True):
        found = evaluated(library, surrogate, points, directions, np.float64, batch)
        assert_agreement(found, expected, EXPORT_FLOAT64)
    for point, inside in [(1.0, 1), (2.1, 0), (np.nan, 0)]:
        assert library.in_range(pointer(np.array([1.0, point, 1.0]))) == inside


@needs_gcc
@pytest.mark.parametrize(
    ("activation", "dtype"), [*((name, "float64") for name in REPRESENTATIVE), ("silu", "float32"), ("gelu", "float32")]
)
def test_at_the_end_of_the_numbers_derivatives_are_as_far_out(tmp_path, activation, dtype):
    surrogate = surrogate_of_shape([1, 3, 1], activation, scalar=True)
    library = compiled(tmp_path, surrogate, dtype=dtype)
    far = [1e300, -1e300] if dtype == "float64" else [1e30, -1e30]
    found, before = (
        evaluated(library, surrogate, np.array(points)[:, None], np.ones((2, 1)), dtype, batch=True)
        for points in (far, [1e5, -1e5])
    )
    for name in ("gradient", "hessian", "hvp", "curvature"):
        np.testing.assert_array_equal(found[name], before[name])
    rising = np.abs(before["gradient"][:, 0]) > 1e-6
    np.testing.assert_allclose(
        found["value"] / far, np.where(rising, before["gradient"][:, 0], 0.0), rtol=1e-6, atol=1e-6
    )


NASTY = ["spot [USD]", "spot*/ [1/*x*/]", "TYPE", "Spot\\", "a??/", "σ"]


@needs_gcc
def test_inputs_and_outputs_are_entries_of_enumerations(tmp_path):
    surrogate = replace(surrogate_of_shape([6, 3, 2], "silu", scalar=False), inputs=NASTY, outputs=["NAME", "b [//]"])
    save_c(surrogate, tmp_path / "net.h", derivatives=0)
    (tmp_path / "main.c").write_text(
        """#include "net.h"
int main(void)
{
    const int places[] = {net_input_spot, net_input_spot_2, net_input_TYPE, net_input_Spot, net_input_a,
        net_input_variable, net_output_NAME, net_output_b};
    int i, wrong = 0;
    for (i = 0; i < NET_INPUTS + NET_OUTPUTS; ++i) wrong |= places[i] != i % NET_INPUTS;
    return wrong;
}
"""
    )
    for compiler in (["gcc", "-std=c99"], ["g++", "-std=c++11", "-x", "c++"]):
        command = [*compiler, *STRICT, "main.c", "-o", "main", "-lm"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert subprocess.run([tmp_path / "main"]).returncode == 0
    assert "net_input_spot = 0, /* spot [USD] */" in (tmp_path / "net.h").read_text()


@needs_gcc
def test_several_headers_go_into_one_program(tmp_path):
    surrogate = surrogate_of_shape([2, 3, 1], "silu", scalar=True)
    for name in ("call.h", "put-2.h", "3.h"):
        save_c(surrogate, tmp_path / name, derivatives=0)
    (tmp_path / "main.c").write_text(
        """#include "call.h"
#include "put-2.h"
#include "3.h"
#if !defined(CALL_H) || !defined(PUT_2_H) || !defined(SURROGATE_3_H)
#error a guard is missing
#endif
int main(void)
{
    double x[CALL_INPUTS] = {1.0, 2.0}, one, two, three;
    call_value(x, &one);
    put_2_value(x, &two);
    surrogate_3_value(x, &three);
    return one == two && two == three ? 0 : 1;
}
"""
    )
    done = subprocess.run(
        ["gcc", "-std=c99", *STRICT, "main.c", "-o", "main", "-lm"], cwd=tmp_path, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert subprocess.run([tmp_path / "main"]).returncode == 0


@pytest.mark.parametrize(
    ("scaling", "dtype", "message"),
    [
        (
            {"y_shift": 1e200},
            "float32",
            r"The numbers b3 of the header reach 1e\+200, beyond 3.4e\+38.*write float64, or",
        ),
        ({"x_shift": 1e200}, "float32", "The numbers x_shift of the header reach 1e"),
        ({"x_scale": 1e-320}, "float64", "The numbers w1 of the header reach inf, beyond .* of ordinary size"),
        ({"x_scale": 1e-50}, "float32", "The numbers w1 of the header reach"),
    ],
)
@pytest.mark.parametrize("write", [save_c, save_onnx])
def test_numbers_that_a_type_cannot_hold_are_refused(tmp_path, write, scaling, dtype, message):
    surrogate = surrogate_of_shape([2, 3, 3, 1], "silu", scalar=True)
    ((name, number),) = scaling.items()
    numbers = jnp.full_like(getattr(surrogate.scaling, name), number)
    changed = eqx.tree_at(lambda s: getattr(s.scaling, name), surrogate, numbers)
    with pytest.raises(InputError, match=message if write is save_c else "The numbers .* beyond"):
        write(changed, tmp_path / "net.h", dtype=dtype)
    assert list(tmp_path.iterdir()) == []


@needs_gcc
@pytest.mark.parametrize("activation", ["silu", "gelu", "tanh", "softplus"])
def test_float_agrees_to_its_precision(tmp_path, activation):
    surrogate = surrogate_of_shape([3, 5, 4, 1], activation, scalar=True)
    points, directions = (np.asarray(array, np.float32) for array in inputs_for(surrogate, n=21))
    library = compiled(tmp_path, surrogate, dtype="float32")
    expected = truth_with_curvature(surrogate, points.astype(np.float64), directions.astype(np.float64))
    for batch in (False, True):
        found = evaluated(library, surrogate, points, directions, np.float32, batch)
        assert_agreement(found, expected, EXPORT_FLOAT32)


@needs_gcc
@pytest.mark.parametrize("activation", REPRESENTATIVE)
def test_far_out_and_not_a_number(tmp_path, activation):
    surrogate = surrogate_of_shape([1, 3, 1], activation, scalar=True)
    library = compiled(tmp_path, surrogate)
    points = np.array([[1e4], [-1e4], [np.nan]])
    for batch in (False, True):
        found = evaluated(library, surrogate, points, np.ones((3, 1)), np.float64, batch)["value"]
        np.testing.assert_allclose(found[:2], surrogate.value(points[:2]), rtol=1e-12)
        assert np.isnan(found[2])


@needs_gcc
def test_the_range_is_checked(tmp_path):
    library = compiled(tmp_path, surrogate_of_shape([2, 3, 1], "silu", scalar=True))
    for point, inside in [([0.0, 2.0], 1), ([1.0, 1.0], 1), ([-0.1, 1.0], 0), ([1.0, 2.1], 0), ([1.0, np.nan], 0)]:
        assert library.in_range(np.array(point).ctypes.data_as(ctypes.c_void_p)) == inside


@pytest.mark.parametrize(
    "command",
    [
        ["clang", "-std=c99", *STRICT, "-Wconversion", "-Wshadow", "-Wdouble-promotion"],
        ["g++", "-std=c++11", *STRICT],
        ["gcc", "-std=c99", *STRICT, "-O3", "-Wconversion", "-Wshadow", "-Wdouble-promotion"],
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_other_compilers_accept_it_without_a_warning(tmp_path, command, dtype):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    save_c(surrogate_of_shape([2, 3, 1], "gelu", scalar=True), tmp_path / "net.h", name="net", dtype=dtype)
    text = '#include "net.h"\nint main(void) { double x = 0; (void)x; return NET_INPUTS - 2; }\n'
    suffix = "cpp" if command[0] == "g++" else "c"
    (tmp_path / f"main.{suffix}").write_text(text)
    done = subprocess.run(
        [*command, f"main.{suffix}", "-o", "main", "-lm"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert subprocess.run([tmp_path / "main"]).returncode == 0


@needs_gcc
def test_sanitizers_find_nothing(tmp_path):
    save_c(surrogate_of_shape([3, 5, 4, 2], "gelu", scalar=False), tmp_path / "net.h", name="net")
    (tmp_path / "main.c").write_text(
        """#include "net.h"
static double x[19 * 3], v[19 * 2], g[19 * 2 * 3], h[19 * 2 * 3 * 3];
static double far[35 * 3], far_v[35 * 2];
int main(void)
{
    int i;
    for (i = 0; i < 19 * 3; ++i)
        x[i] = 100.0 * i - 2000.0;
    net_value_batch(19, x, v);
    net_gradient_batch(19, x, v, g);
    net_hessian_batch(19, x, v, g, h);
    net_hvp_batch(19, x, x, v, g, h);
    net_hessian(x, v, g, h);
    net_hvp(x, x, v, g, h);
    net_curvature_batch(19, x, x, v, g, h);
    net_value_batch(35, far, far_v);
    net_value_batch(0, x, v);
    return 0;
}
"""
    )
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O0"]
    build = ["gcc", "-std=c99", *STRICT, *flags, "main.c", "-o", "main", "-lm"]
    done = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([tmp_path / "main"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_only_what_is_asked_for_is_written(tmp_path):
    surrogate = surrogate_of_shape([2, 3, 1], "silu", scalar=True)
    for derivatives, names in [
        (0, ["value"]),
        (1, ["value", "gradient"]),
        (2, ["value", "gradient", "curvature", "hvp", "hessian"]),
    ]:
        save_c(surrogate, tmp_path / "net.h", derivatives=derivatives)
        text = (tmp_path / "net.h").read_text()
        assert [name for name in OUTPUTS if f"void net_{name}(" in text] == names
        assert "in_range" not in text
        assert "malloc" not in text
        assert text.count("#include") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "2net"}, "name is '2net'; give letters, digits and _ only"),
        ({"name": "a; b"}, "give letters, digits and _ only"),
        ({"derivatives": 3}, "derivatives is 3; choose 0"),
        ({"dtype": "half"}, "dtype is 'half'; choose"),
        ({"box": ([0.0], [1.0])}, "box must be a lower and an upper corner of 2 numbers each"),
    ],
)
def test_what_cannot_be_written_is_said(types_unchecked, tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        save_c(surrogate_of_shape([2, 3, 1], "silu", scalar=True), tmp_path / "net.h", **arguments)
    assert list(tmp_path.iterdir()) == []
