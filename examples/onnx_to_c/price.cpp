// Prices calls by the exported network and refuses inputs that it was not certified for.
#include <cstdio>
#include <vector>

#include "surrogate.h"

int main()
{
    const double inside[SURROGATE_INPUTS] = {1.05, 0.25};
    double value, gradient[SURROGATE_INPUTS], hessian[SURROGATE_INPUTS * SURROGATE_INPUTS];
    surrogate_hessian(inside, &value, gradient, hessian);
    std::printf("price %.6f, delta %.6f, vega %.6f, gamma %.6f\n", value, gradient[0], gradient[1], hessian[0]);

    const double outside[SURROGATE_INPUTS] = {3.0, 0.25};
    std::printf("in range: %d and %d\n", surrogate_in_range(inside), surrogate_in_range(outside));

    const long n = 1000;
    std::vector<double> x(n * SURROGATE_INPUTS), values(n), gradients(n * SURROGATE_INPUTS);
    for (long i = 0; i < n; ++i) {
        x[2 * i] = 0.8 + 0.7 * i / (n - 1.0);
        x[2 * i + 1] = 0.25;
    }
    surrogate_gradient_batch(n, x.data(), values.data(), gradients.data());
    std::printf("a thousand prices from %.6f to %.6f\n", values[0], values[n - 1]);
    return 0;
}
