"""How small can the basket's surrogate get while it stays as good as the paper's best column? `make demo-shrink`"""

import time

import jax

jax.config.update("jax_enable_x64", True)
import sobolev_pruning as sp  # noqa: E402  (float64 comes first)

start = time.perf_counter()
basket = sp.reference.GaussianBasket.random(n_assets=7, seed=0, design="sobol", conditional=True)  # less noise
samples = basket.sample(jax.random.key(1), 8192)
oversized = sp.Surrogate.create([7, 128, 128, 128, 128, 128, 128, 1], samples, key=jax.random.key(2))
adam = sp.Adam(steps=1000, learning_rate=2e-3)
oversized = sp.fit(oversized, samples, key=jax.random.key(3), optimiser=adam, progress="oversized").surrogate

tolerance = sp.Tolerance(value=0.999962, delta=0.999863, gamma=0.997374)  # R2 of the paper's best column
trained = time.perf_counter()
found = sp.shrink(oversized, basket, tolerance=tolerance, pairs=131_072, progress=True)
searched = time.perf_counter()

print(f"{'network':>12} {'parameters':>10} {'pairs':>10}   error over the limit: value, delta, gamma")
for candidate in found.path:
    ratios = "  ".join(f"{error / found.limits[name]:8.3f}" for name, error in candidate.errors.items())
    hidden = "-".join(str(width) for width in candidate.widths)
    verdict = "holds" if candidate.accepted else "rolled back"
    print(f"{hidden:>12} {candidate.n_parameters:>10} {candidate.pairs:>10,}   {ratios}   {verdict}")
print(f"From {oversized.n_parameters:,} parameters to {found.surrogate.n_parameters}, against {found.against}.")
print("R2 on points never used:", {name: round(r2, 6) for name, r2 in found.verified.figures("r2").items()})
print(f"{trained - start:.0f} s for the oversized network, {searched - trained:.0f} s for the search.")
