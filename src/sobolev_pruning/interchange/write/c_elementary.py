"""The exponential and the logarithm of a C header: its own, because compilers do not vectorise those of `math.h`."""

from dataclasses import dataclass

_FRACTION = """
/* e^x = numerator / denominator to 2 ulp: x = k ln 2 + r with |r| <= ln(2)/2, e^r = (q + r p)/(q - r p) with p and q
 * polynomials in r^2, and 2^k put into the exponent bits. Beyond {limit} either way it stays there, where
 * 2^k is the largest power, or 0. Adding {magic} rounds to an integer and leaves it in the low bits; it is
 * read from there, because -ffast-math would undo a subtraction. One comparison only: with two, compilers make branches
 * of them and do not vectorise. */
static inline void NAME_exp_fraction(TYPE x, TYPE *numerator, TYPE *denominator)
{{
    union {{ TYPE number; {integer} bits; }} rounded, power;
    TYPE k, r, s, p, q;
    x = FABS(x) > {limit} ? COPYSIGN({limit}, x) : x;
    rounded.number = x * {rate} + {magic};
    k = (TYPE)(int)(rounded.bits - {magic_bits});
    r = (x - k * {ln2_high}) - k * {ln2_low};
    s = r * r;
{polynomials}
    power.bits = (rounded.bits + {bias}u) << {mantissa};
    *numerator = (q + r * p) * power.number;
    *denominator = q - r * p;
}}
"""

_EXPONENTIAL = """
static inline TYPE NAME_exp(TYPE x)
{
    TYPE numerator, denominator;
    NAME_exp_fraction(x, &numerator, &denominator);
    return numerator / denominator;
}
"""

_SIGMOID = """
/* 1 / (1 + e^-x), with one division for both. */
static inline TYPE NAME_sigmoid(TYPE x)
{
    TYPE numerator, denominator;
    NAME_exp_fraction(x, &numerator, &denominator);
    return numerator / (numerator + denominator);
}
"""

_LOGARITHM = """
/* ln y for 1 <= y <= 2, all that softplus needs: 2 atanh(t) with t = (y - 1)/(y + 1), t times a polynomial in t^2. */
static inline TYPE NAME_log(TYPE y)
{{
    const TYPE t = (y - 1) / (y + 1), s = t * t;
    TYPE series;
{polynomial}
    return t * series;
}}
"""


@dataclass(frozen=True)
class _Format:
    """A number type of C. Coefficients come highest first and interpolate at Chebyshev points, computed in 300 bits:
    `tanh(r/2)/r = p/q` in r^2, by which e^r is off by 4e-18 (float: 2e-10) relatively, and `2 atanh(t)/t` in t^2 on
    [0, 1/9], off by 9e-17 (float: 8e-9). p and q are scaled so that e^limit is finite; at the limit k is at the ends of
    what exponent bits hold: 2^k is 0, or the largest power."""

    integer: str
    mantissa: int
    bias: int
    magic: str
    magic_bits: str
    limit: str
    rate: str
    ln2_high: str
    ln2_low: str
    p: list[str]
    q: list[str]
    logarithm: list[str]
    infinity_bits: str


FORMATS = {
    "double": _Format(
        integer="unsigned long long",
        mantissa=52,
        bias=1023,
        magic="6755399441055744.0",
        magic_bits="0x4338000000000000ull",
        limit="709.0895657128241",
        rate="1.4426950408889634",
        ln2_high="6.93147180369123816490e-01",
        ln2_low="1.90821492927058770002e-10",
        p=["3.0517578125e-05 * s + 0.012825715445070746", "0.4617757956333371"],
        q=["0.0009159438537933875", "0.10261406349569581", "0.9235515912666742"],
        logarithm=[
            "0.17780764799164483",
            "0.0988078858999485",
            "0.13591305575375082",
            "0.15363676239453028",
            "0.18182859801049395",
            "0.22222190861325786",
            "0.2857142911165757",
            "0.39999999995287594",
            "0.6666666666668257",
            "2.0",
        ],
        infinity_bits="0x7FF0000000000000ull",
    ),
    "float": _Format(
        integer="unsigned int",
        mantissa=23,
        bias=127,
        magic="12582912.0f",
        magic_bits="0x4B400000u",
        limit="88.0296936f",
        rate="1.44269504f",
        ln2_high="6.93145752e-01f",
        ln2_low="1.42860677e-06f",
        p=["7.812500000e-03f * s + 4.693535563e-01f"],
        q=["9.385052344e-02f", "9.387071094e-01f"],
        logarithm=["0.281577796f", "0.279651582f", "0.400245965f", "0.666663229f", "2.0f"],
        infinity_bits="0x7F800000u",
    ),
}


def elementary_functions(operations: set[str], number_type: str) -> list[str]:
    """Those of `NAME_exp`, `NAME_sigmoid` and `NAME_log` that the `operations` of an activation need."""
    form = FORMATS[number_type]
    functions = []
    if operations & {"exp", "sigmoid", "tanh"}:
        polynomials = "\n".join([_horner("p", form.p), _horner("q", form.q)])
        functions.append(_FRACTION.format(polynomials=polynomials, **vars(form)))
    if "exp" in operations:
        functions.append(_EXPONENTIAL)
    if operations & {"sigmoid", "tanh"}:
        functions.append(_SIGMOID)
    if "log" in operations:
        functions.append(_LOGARITHM.format(polynomial=_horner("series", form.logarithm)))
    return functions


def _horner(name: str, coefficients: list[str]) -> str:
    """`name` becomes the polynomial in `s` with `coefficients`, the highest first."""
    steps = [f"    {name} = {coefficients[0]};"]
    return "\n".join(steps + [f"    {name} = {name} * s + {coefficient};" for coefficient in coefficients[1:]])
