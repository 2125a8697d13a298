"""The array vocabulary: what a shape letter means everywhere in the package.

n   samples             d   inputs              k   outputs (dropped where the model is scalar)
m   directions per sample                        l   hidden layers
"""

from typing import TypeAlias

from jaxtyping import Array, Float, Key

Points: TypeAlias = Float[Array, "n d"]
Values: TypeAlias = Float[Array, "n"] | Float[Array, "n k"]
Gradients: TypeAlias = Float[Array, "n d"] | Float[Array, "n k d"]
Hessians: TypeAlias = Float[Array, "n d d"] | Float[Array, "n k d d"]
PRNGKey: TypeAlias = Key[Array, ""]
