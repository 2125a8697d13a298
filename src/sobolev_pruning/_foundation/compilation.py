"""How programs that are compiled anew for every network are compiled: quickly."""

import jax


def quick_compilation() -> dict[str, bool] | None:
    """Options for `jax.jit(..., compiler_options=...)` of enclosing programs.

    Their arithmetic runs as long vector loops in any case, and XLA takes half as long again, or twice as long, to
    compile them by its newer code generator for processors.
    """
    return {"xla_cpu_use_fusion_emitters": False} if jax.default_backend() == "cpu" else None
