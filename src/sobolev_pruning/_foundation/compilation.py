"""How programs that are compiled anew for every network are compiled: quickly."""

import jax


def quick_compilation() -> dict[str, bool] | None:
    """Options for `jax.jit(..., compiler_options=...)` of programs that enclose by affine forms or mean-value forms.

    They are long and run a few times. XLA's newer code generator for processors takes up to twice as long to compile
    them; for plain interval programs it is the better one. JAX 0.11 has the newer one alone.
    """
    choosable = jax.default_backend() == "cpu" and jax.__version_info__ < (0, 11)
    return {"xla_cpu_use_fusion_emitters": False} if choosable else None
