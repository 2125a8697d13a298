"""Stacking values of any kind along a new first axis."""

import jax
import jax.numpy as jnp

from .affine_form import AffineForm, aligned
from .affine_linear import as_form
from .interval import Interval, as_interval


def stack(values):
    """Affine forms if one of the values is one, else intervals if one is, else points."""
    if any(isinstance(x, AffineForm) for x in values):
        forms = [as_form(x, x.shape) for x in values]
        coefficients, blocks = aligned(forms)
        return AffineForm(
            jnp.stack([form.center for form in forms]),
            jnp.stack(coefficients, axis=1),
            jnp.stack([form.error for form in forms]),
            stack([form.range for form in forms]),
            blocks,
            any(form.significant for form in forms),
        )
    if any(isinstance(x, Interval) for x in values):
        return jax.tree.map(lambda *ends: jnp.stack(ends), *[as_interval(x) for x in values])
    return jnp.stack(values)
