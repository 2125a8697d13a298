"""Every tolerance the tests use, with its reason."""

EXACT = 0.0
"""The same operations in the same order: equal to the bit."""

ELEMENTARY = 1e-14
"""A closed form of a dozen elementary functions, each right to a few ulp, against truth; absolute up to size 1."""

ALGEBRAIC = 1e-12
"""Two float64 formulas of one quantity: a few hundred roundings, relative to the largest entry."""

QUADRATURE = 1e-11
"""An adaptive quadrature of a kinked function asked for 1e-13, of size 1."""

QUADRATURE_BY_PIECES = 1e-6
"""10 Gauss-Legendre nodes on each piece of the normal law, against a closed form, relative to its size."""

AD_AGAINST_DIFFERENCES = 1e-6
"""Automatic differentiation against central differences in float64, step 1e-5: truncation h^2 and rounding eps/h."""

STANDARD_ERRORS = 5.0
"""Monte Carlo means against truth, in standard errors; with fixed keys a failure is reproducible, not bad luck."""

FLOAT64_ACROSS_PROGRAMS = 1e-11
"""One network in two correct float64 programs, relative to the largest entry of the array."""

EXPORT_FLOAT64 = {"value": 1e-13, "gradient": 1e-12, "curvature": 1e-11, "hessian": 1e-11, "hvp": 1e-11}
EXPORT_FLOAT32 = {"value": 1e-5, "gradient": 1e-5, "curvature": 1e-5, "hessian": 1e-5, "hvp": 1e-5}
"""What exported surrogates promise, relative to the largest entry of each array."""

TRAINED_TO_ZERO = {"adam": 1e-2, "lbfgs": 1e-4, "levenberg-marquardt": 1e-12}
"""Held-out loss reached on exact labels of a network of the same shape, in the few steps that the tests can spare."""

MINIMUM = 1e-9
"""Loss at one minimum found by two codes: quadratic in what is left of the gradient."""

READ_FLOAT32 = 2e-6
"""A float32 network of another exporter against its own float32 values: a dozen roundings of 6e-8."""
