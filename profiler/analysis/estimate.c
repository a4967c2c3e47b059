/*
 * The interval of a sum of few samples.
 *
 * A Poisson count k has the posterior Gamma(k + 1/2) under Jeffreys' prior,
 * whose central 95 % cover 95 % of the time on average already from about one
 * expected count on, neither short (as the normal interval) nor wide (as
 * Garwood's).  A Horvitz-Thompson sum V of variance v is taken for V^2 / v
 * samples of v / V each.
 */
#include "profiler/analysis/estimate.h"

#include <math.h>

#define TAIL	  0.025 /* on either side of a 95 % interval */
#define NORMAL_95 1.959963984540054

double estimate_normal_tail(double z)
{
	return 0.5 * erfc(z * M_SQRT1_2);
}

/* Newton's steps from a rational first guess (Abramowitz, Stegun 26.2.23). */
double estimate_normal_quantile(double p)
{
	double tail = p < 0.5 ? p : 1 - p;
	double u = sqrt(-2 * log(tail));
	double z = u -
		   (2.515517 + u * (0.802853 + u * 0.010328)) /
			   (1 + u * (1.432788 + u * (0.189269 + u * 0.001308)));

	for (int i = 0; i < 3; i++)
		z += (estimate_normal_tail(z) - tail) /
		     (exp(-z * z / 2) / sqrt(2 * M_PI));
	return p < 0.5 ? -z : z;
}

/* G. W. Hill, Student's t-quantiles (Algorithm 396), for the two tails. */
static double t_two_tailed(double p, double df)
{
	double a, b, c, d, x, y;

	if (df <= 1)
		return 1 / tan(p * M_PI_2);
	if (df == 2)
		return sqrt(2 / (p * (2 - p)) - 2);
	a = 1 / (df - 0.5);
	b = 48 / (a * a);
	c = ((20700 * a / b - 98) * a - 16) * a + 96.36;
	d = ((94.5 / (b + c) - 3) / b + 1) * sqrt(a * M_PI_2) * df;
	y = pow(d * p, 2 / df);
	if (y > 0.05 + a) {
		x = estimate_normal_quantile(p / 2);
		y = x * x;
		if (df < 5)
			c += 0.3 * (df - 4.5) * (x + 0.6);
		c = (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b + c;
		y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b +
		     1) *
		    x;
		y = expm1(a * y * y);
	} else {
		y = ((1 / (((df + 6) / (df * y) - 0.089 * d - 0.822) *
			   (df + 2) * 3) +
		      0.5 / (df + 4)) *
			     y -
		     1) * (df + 1) /
			    (df + 2) +
		    1 / y;
	}
	return sqrt(df * y);
}

double estimate_t_quantile(double p, double df)
{
	if (p == 0.5)
		return 0;
	if (p < 0.5)
		return -t_two_tailed(2 * p, df);
	return t_two_tailed(2 * (1 - p), df);
}

/* The regularised lower incomplete gamma function. */
static double gamma_lower(double shape, double x)
{
	int sign;
	double front = exp(shape * log(x) - x - lgamma_r(shape, &sign));
	double term, sum;

	if (x < shape + 1) {
		term = sum = 1 / shape;
		for (double a = shape + 1; term > sum * 1e-14; a++) {
			term *= x / a;
			sum += term;
		}
		return front * sum;
	}
	/* Lentz's continued fraction of the upper one. */
	double b = x + 1 - shape, c = 1e300, d = 1 / b, h = d, step = 0;

	for (int i = 1; i < 10000 && fabs(step - 1) > 1e-14; i++) {
		double an = -i * (i - shape);

		b += 2;
		d = 1 / (an * d + b);
		c = b + an / c;
		step = c * d;
		h *= step;
	}
	return 1 - front * h;
}

double estimate_gamma_quantile(double p, double shape)
{
	double z = estimate_normal_quantile(p);
	double cube = 1 - 1 / (9 * shape) + z / (3 * sqrt(shape));
	double low, high;

	if (shape > 1000) /* Wilson, Hilferty: 1e-6 right from here on */
		return shape * cube * cube * cube;
	low = 0;
	high = shape + 10 * (1 + sqrt(shape));
	while (gamma_lower(shape, high) < p)
		high *= 2;
	/* By halves: cannot fail, and a report asks a few thousand times. */
	for (int i = 0; i < 60 && high - low > 1e-9 * high; i++) {
		double middle = (low + high) / 2;

		if (gamma_lower(shape, middle) < p)
			low = middle;
		else
			high = middle;
	}
	return (low + high) / 2;
}

double estimate_samples(double value, double variance)
{
	return variance > 0 ? value * value / variance : INFINITY;
}

struct figure estimate_interval(double value, double variance)
{
	double samples = estimate_samples(value, variance);
	double each;

	if (!(variance > 0) || !(value > 0))
		return (struct figure) { value, value, value };
	each = variance / value;
	return (struct figure) {
		value,
		each * estimate_gamma_quantile(TAIL, samples + 0.5),
		each * estimate_gamma_quantile(1 - TAIL, samples + 0.5),
	};
}

struct figure estimate_growth(double from, double from_variance, double to,
			      double to_variance)
{
	double value = to - from, variance = to_variance - from_variance;
	double half;

	if (value >= 0 && variance >= 0)
		return estimate_interval(value, variance);
	if (value <= 0 && variance <= 0) {
		struct figure fall = estimate_interval(-value, -variance);

		return (struct figure) { value, -fall.high, -fall.low };
	}
	/* Much was replaced: what the two share is not known, nor assumed. */
	half = NORMAL_95 * sqrt(from_variance + to_variance);
	return (struct figure) { value, value - half, value + half };
}

struct figure estimate_per(struct figure f, double count)
{
	if (!(count > 0))
		return (struct figure) { NAN, NAN, NAN };
	return (struct figure) { f.value / count, f.low / count,
				 f.high / count };
}

static struct figure negative(struct figure f)
{
	return (struct figure) { -f.value, -f.high, -f.low };
}

/*
 * The least ratio that the two intervals bear, @under being above 0: where
 * over - ratio * under has its lower limit at 0, the distances of the limits
 * added as squares (Donner, Zou: MOVER).  With symmetric intervals this is
 * Fieller's.
 */
static double ratio_low(struct figure over, struct figure under)
{
	double limit = over.low >= 0 ? under.high : under.low;
	double product = over.value * under.value;
	double a = limit * (2 * under.value - limit);
	double c = over.low * (2 * over.value - over.low);
	double root = product * product - a * c;

	if (isinf(limit))
		return over.low >= 0 ? 0 : -INFINITY;
	root = sqrt(root > 0 ? root : 0);
	if (over.low >= 0)
		return product + root > 0 ? c / (product + root) : 0;
	return (product - root) / a;
}

struct figure estimate_ratio(struct figure over, struct figure under)
{
	struct figure ratio = { over.value / under.value, -INFINITY, INFINITY };

	if (isnan(ratio.value))
		return (struct figure) { NAN, NAN, NAN };
	if (under.high < 0) {
		over = negative(over);
		under = negative(under);
	}
	if (under.low > 0) {
		ratio.low = ratio_low(over, under);
		ratio.high = -ratio_low(negative(over), under);
	} else if (under.low == 0 && over.low >= 0 && under.value > 0) {
		ratio.low = ratio_low(over, under);
	}
	return ratio;
}
