"""The parts of a C header that are the same for every surrogate, and how loops and sums are written."""

from collections.abc import Sequence

WORDS = {
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "divide": "{0} / {1}",
    "negate": "-{0}",
    "absolute": "FABS({0})",
    "exp": "NAME_exp({0})",
    "log": "NAME_log({0})",
    "sigmoid": "NAME_sigmoid({0})",
    "tanh": "2 * NAME_sigmoid(2 * {0}) - 1",
    "sin": "SIN({0})",
    "cos": "COS({0})",
    "maximum": "({0} < {1} ? {1} : {0})",
    "minimum": "({0} > {1} ? {1} : {0})",
    "where_positive": "({0} > 0 ? {1} : {2})",
}
"""Every operation in C; `NAME` stands for the prefix of the header, `FABS` for the function of its number type. What is
not a number stays so, as comparisons with it are false."""

HEAD = """\
/* NAME: a surrogate with {d} inputs and {k} outputs, written by sobolev-pruning {version}.
 *
 * Network {widths}, activation {activation}; trained for inputs {box}.
 * C99 or C++11, no allocation, no dependency but math.h. Arrays are row by row: gradient[k][d], hessian[k][d][d].
 */
#ifndef CAPITALS_H
#define CAPITALS_H

#include <math.h>

#define CAPITALS_INPUTS {d}
#define CAPITALS_OUTPUTS {k}

VARIABLES
"""

IN_RANGE = """
/* 1 where every input lies in the range the surrogate was trained for, 0 elsewhere; also where one is no number, told
 * by its bits, because -ffast-math takes comparisons with it for true. */
static inline int NAME_in_range(const TYPE *x)
{{
    union {{ TYPE number; {integer} bits; }} entry;
    int i, inside = 1;
    for (i = 0; i < CAPITALS_INPUTS; ++i) {{
        entry.number = x[i];
        inside = inside && x[i] >= NAME_lower[i] && x[i] <= NAME_upper[i] && entry.bits << 1 <= {infinity_bits} << 1;
    }}
    return inside;
}}
"""


def assignment(target: str, terms: list[str], onto: bool) -> list[str]:
    """`target` becomes the sum of the terms, three on a line; with `onto`, together with what it holds."""
    rows = [" + ".join(terms[i : i + 3]) for i in range(0, len(terms), 3)]
    rows = [f"{target} {'+=' if onto else '='} {rows[0]}", *(f"    + {row}" for row in rows[1:])]
    return [*rows[:-1], rows[-1] + ";"]


def loops_around(loops: dict[str, int | str], body: Sequence[str]) -> list[str]:
    """`body` for every value of the indices, each below its bound; a bound may bring a step of its own."""
    lines, indent = [], "    "
    for index, bound in loops.items():
        step = "" if ";" in str(bound) else f"; ++{index}"
        lines.append(f"{indent}for ({index} = 0; {index} < {bound}{step})")
        indent += "    "
    lines[-1] += " {"
    return [*lines, *(indent + line for line in body), indent[4:] + "}"]
