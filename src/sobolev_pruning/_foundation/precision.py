"""Guard against silent float32: second derivatives in float32 are noise."""

import jax

from .errors import InputError


def require_float64(what: str) -> None:
    """Raises `InputError` where JAX would turn float64 into float32; `what` names the call that needs float64."""
    if not jax.config.jax_enable_x64:
        raise InputError(
            f'{what} needs float64, which is off in JAX: call jax.config.update("jax_enable_x64", True) '
            "before creating any array."
        )
