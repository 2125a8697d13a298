/* Times value, gradient and gamma of the basket in every way that C has, in nanoseconds of CPU time per point. The
 * networks come from the headers of the surrogates, the market from basket.h; all are written by calls.py. */
#define _POSIX_C_SOURCE 199309L
#include "basket.h"
#include "large.h"
#include "small.h"
#include <stdio.h>
#include <time.h>

enum { POINTS = 4096, PATHS = 10000 };
static double x[POINTS][D], value[POINTS], gradient[POINTS][D], gamma_[POINTS];
static const double ones[D] = ONES;

/* Drift and rate are 0: (F - K) Phi(d) + s phi(d), Phi(d) w, phi(d)/s (w'1)^2. */
static void closed_form(const double *point, double *v, double *g, double *c)
{
    double forward = 0, total = 0, d, cdf, density;
    int i;
    for (i = 0; i < D; ++i) {
        forward += weights[i] * point[i];
        total += weights[i];
    }
    d = (forward - strike) / spread;
    cdf = 0.5 * erfc(-0.7071067811865476 * d);
    density = 0.3989422804014327 * exp(-0.5 * d * d);
    *v = (forward - strike) * cdf + spread * density;
    for (i = 0; i < D; ++i)
        g[i] = cdf * weights[i];
    *c = density / spread * total * total;
}

static unsigned long long state = 88172645463325252ULL;

static double uniform(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return ((double)(state >> 11) + 0.5) / 9007199254740992.0;
}

/* 5,000 antithetic pairs, simulated asset by asset; gradient by path, gamma as the covariance of the gradient with the
 * score of the basket's normal law. */
static void monte_carlo(const double *point, double *v, double *g, double *c)
{
    double sum = 0, exercised = 0, scored = 0, total = 0;
    int path, i, j, sign;
    for (path = 0; path < PATHS / 2; ++path) {
        double z[D + 1];
        for (i = 0; i < D; i += 2) {
            const double radius = sqrt(-2 * log(uniform())), angle = 6.283185307179586 * uniform();
            z[i] = radius * cos(angle);
            z[i + 1] = radius * sin(angle);
        }
        for (sign = -1; sign <= 1; sign += 2) {
            double basket = 0, moved = 0;
            for (i = 0; i < D; ++i) {
                double change = 0;
                for (j = 0; j <= i; ++j)
                    change += factor[i][j] * z[j];
                basket += weights[i] * (point[i] + sign * change);
                moved += weights[i] * sign * change;
            }
            if (basket > strike) {
                sum += basket - strike;
                exercised += 1;
                scored += moved;
            }
        }
    }
    *v = sum / PATHS;
    for (i = 0; i < D; ++i) {
        g[i] = exercised / PATHS * weights[i];
        total += weights[i];
    }
    *c = scored / PATHS / (spread * spread) * total * total;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The fastest of many repeats, as others may share the machine. */
#define TIME(name, points, repeats, call)                                \
    {                                                                    \
        double best = 1e9;                                               \
        int repeat, i;                                                   \
        for (repeat = 0; repeat < repeats; ++repeat) {                   \
            double start = seconds();                                    \
            for (i = 0; i < points; ++i)                                 \
                call;                                                    \
            start = seconds() - start;                                   \
            best = start < best ? start : best;                          \
        }                                                                \
        printf("%s %.10g %.17g %.17g\n", name, 1e9 * best / points, value[0], gamma_[0]); \
    }
#define ONE x[i], ones, &value[i], gradient[i], &gamma_[i]
#define ALL &x[0][0], ones, value, &gradient[0][0], gamma_

int main(void)
{
    int i, j;
    for (i = 0; i < POINTS; ++i)
        for (j = 0; j < D; ++j)
            x[i][j] = lower[j] + (upper[j] - lower[j]) * (i == 0 ? 0.5 : uniform());
    TIME("single", POINTS, 1000, small_curvature(ONE))
    TIME("batch", POINTS, 1000, if (i == 0) small_curvature_batch(POINTS, ALL))
    TIME("large-single", 64, 20, large_curvature(ONE))
    TIME("large-batch", 64, 20, if (i == 0) large_curvature_batch(64, ALL))
    TIME("closed-form", POINTS, 1000, closed_form(x[i], &value[i], gradient[i], &gamma_[i]))
    TIME("monte-carlo", 1, 100, monte_carlo(x[i], &value[i], gradient[i], &gamma_[i]))
    return 0;
}
