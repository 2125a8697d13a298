"""A jet engine's thrust and fuel consumption by scikit-learn, from 1,056 points with slopes (`pip install smt`)."""

import numpy as np
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from smt.examples.b777_engine.b777_engine import get_b777_engine

import sobolev_pruning as sp
from sobolev_pruning.sklearn import SobolevRegressor

X, y, dydx, _ = get_b777_engine()  # (Mach number, altitude, throttle) to (thrust, fuel consumption)
y, dydx = y[:, 0], dydx[:, 0]  # the thrust
X, X_test, y, y_test, dydx, dydx_test = train_test_split(X, y, dydx, test_size=0.2, random_state=0)

model = SobolevRegressor(optimiser=sp.LevenbergMarquardt(iterations=25), scaled=True, random_state=0)
search = GridSearchCV(model, {"hidden": [(4,), (8, 8)]}, cv=2).fit(X, y, dydx=dydx)
print(search.best_params_)  # {'hidden': (8, 8)}

best = search.best_estimator_
few = slice(0, 60)  # as many points as they may be where every one is an hour of a simulation
with_slopes = cross_val_score(best, X[few], y[few], cv=2, params={"dydx": dydx[few]})
without = cross_val_score(best, X[few], y[few], cv=2)
print(with_slopes.mean() > without.mean())  # True

error = (best.predict_gradient(X_test) - dydx_test) * X.std(axis=0)
print(best.score(X_test, y_test) > 0.995, np.mean(error**2) < 0.02 * np.var(dydx_test * X.std(axis=0)))  # True True

best.surrogate_.save("thrust.safetensors")
