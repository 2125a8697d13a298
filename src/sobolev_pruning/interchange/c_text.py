"""The parts of a C header that are the same for every surrogate."""

WORDS = {
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "divide": "{0} / {1}",
    "negate": "-{0}",
    "absolute": "({0} < 0 ? -{0} : {0})",
    "exp": "NAME_exp({0})",
    "log": "NAME_log({0})",
    "sigmoid": "1 / (1 + NAME_exp(-{0}))",
    "tanh": "1 - 2 / (1 + NAME_exp(2 * {0}))",
    "maximum": "({0} > {1} ? {0} : {1})",
    "minimum": "({0} < {1} ? {0} : {1})",
    "where_positive": "({0} > 0 ? {1} : {2})",
}
"""Every operation in C; `NAME` stands for the prefix of the header."""

HEAD = """\
/* {name}: a surrogate with {d} inputs and {k} outputs, written by sobolev-pruning {version}.
 *
 * Network {widths}, activation {activation}; trained for inputs {box}.
 * C99 or C++11, no allocation, no dependency but math.h. Arrays are row by row: gradient[k][d], hessian[k][d][d].
 */
#ifndef {NAME}_H
#define {NAME}_H

#include <math.h>

#define {NAME}_INPUTS {d}
#define {NAME}_OUTPUTS {k}
"""

EXPONENTIALS = {
    "double": """
/* e^x to about 1 ulp: x = k ln 2 + r with |r| <= ln(2)/2, a Taylor polynomial in r, 2^k put into the exponent bits.
 * Adding 1.5 * 2^52 rounds to an integer and leaves it in the low bits. Beyond -708 and 708 it stays there. One
 * comparison only: with two, compilers make branches of them and do not vectorise. */
static inline double NAME_exp(double x)
{
    const double magic = 6755399441055744.0;
    union { double number; unsigned long long bits; } rounded, power;
    double size = fabs(x), k, r, p;
    size = size > 708.0 ? 708.0 : size;
    x = copysign(size, x);
    rounded.number = x * 1.4426950408889634 + magic;
    k = rounded.number - magic;
    r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
    p = 1.6059043836821613e-10;
    p = p * r + 2.08767569878681e-09;
    p = p * r + 2.505210838544172e-08;
    p = p * r + 2.755731922398589e-07;
    p = p * r + 2.7557319223985893e-06;
    p = p * r + 2.48015873015873e-05;
    p = p * r + 1.984126984126984e-04;
    p = p * r + 1.388888888888889e-03;
    p = p * r + 8.333333333333333e-03;
    p = p * r + 4.1666666666666664e-02;
    p = p * r + 1.6666666666666666e-01;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    power.bits = (rounded.bits + 1023u) << 52;
    return p * power.number;
}

static inline double NAME_log(double x)
{
    return log(x);
}
""",
    "float": """
/* e^x to about 1 ulp: x = k ln 2 + r with |r| <= ln(2)/2, a Taylor polynomial in r, 2^k put into the exponent bits.
 * Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits. Beyond -87 and 87 it stays there. */
static inline float NAME_exp(float x)
{
    const float magic = 12582912.0f;
    union { float number; unsigned int bits; } rounded, power;
    float size = fabsf(x), k, r, p;
    size = size > 87.0f ? 87.0f : size;
    x = copysignf(size, x);
    rounded.number = x * 1.44269504f + magic;
    k = rounded.number - magic;
    r = (x - k * 6.93145752e-01f) - k * 1.42860677e-06f;
    p = 1.98412698e-04f;
    p = p * r + 1.38888889e-03f;
    p = p * r + 8.33333333e-03f;
    p = p * r + 4.16666667e-02f;
    p = p * r + 1.66666667e-01f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    power.bits = (rounded.bits + 127u) << 23;
    return p * power.number;
}

static inline float NAME_log(float x)
{
    return logf(x);
}
""",
}
"""The exponential of the header's own, and the logarithm of the library (only softplus needs it)."""

IN_RANGE = """
/* 1 where every input lies in the range the surrogate was trained for, 0 elsewhere (also where one is not a number). */
static inline int NAME_in_range(const TYPE *x)
{
    int i, inside = 1;
    for (i = 0; i < NAME_D; ++i)
        inside = inside && x[i] >= NAME_lower[i] && x[i] <= NAME_upper[i];
    return inside;
}
"""
