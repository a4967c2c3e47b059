#include "tests/servers/load/stats.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool series_add(struct stats_series *s, uint64_t ns)
{
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 4096;
		uint64_t *grown = realloc(s->ns, room * sizeof(*grown));

		if (!grown)
			return false;
		s->ns = grown;
		s->room = room;
	}
	s->ns[s->count++] = ns;
	return true;
}

bool stats_add(struct stats *s, uint64_t whole_ns, uint64_t first_ns)
{
	return series_add(&s->whole, whole_ns) &&
	       series_add(&s->first, first_ns);
}

void stats_free(struct stats *s)
{
	free(s->whole.ns);
	free(s->first.ns);
}

static int by_value(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

static void series_sort(struct stats_series *s)
{
	if (s->count)
		qsort(s->ns, s->count, sizeof(*s->ns), by_value);
}

/* Of a sorted series, milliseconds; 0 for an empty one. */
static double quantile_ms(const struct stats_series *s, double q)
{
	if (!s->count)
		return 0;
	return (double)s->ns[(size_t)(q * (double)(s->count - 1))] / 1e6;
}

void stats_print(struct stats *kinds, size_t count, double seconds, FILE *out)
{
	uint64_t total = 0, errors = 0;

	fprintf(out, "%-24s %9s %7s %8s %9s %9s %9s %9s\n", "request", "count",
		"errors", "p50 ms", "p95 ms", "p99 ms", "max ms", "first ms");
	for (size_t i = 0; i < count; i++) {
		struct stats *s = &kinds[i];

		series_sort(&s->whole);
		series_sort(&s->first);
		total += s->whole.count;
		errors += s->errors;
		fprintf(out,
			"%-24s %9zu %7" PRIu64 " %8.3f %9.3f %9.3f %9.3f"
			" %9.3f\n",
			s->name, s->whole.count, s->errors,
			quantile_ms(&s->whole, 0.5),
			quantile_ms(&s->whole, 0.95),
			quantile_ms(&s->whole, 0.99), quantile_ms(&s->whole, 1),
			quantile_ms(&s->first, 0.5));
	}
	fprintf(out,
		"%" PRIu64 " requests in %.2f s: %.1f a second, %" PRIu64
		" errors\n",
		total, seconds, (double)total / seconds, errors);
}

static void print_quantiles(const char *name, const struct stats_series *s,
			    FILE *out)
{
	fprintf(out,
		", \"%s_p50_ms\": %.3f, \"%s_p95_ms\": %.3f"
		", \"%s_p99_ms\": %.3f, \"%s_max_ms\": %.3f",
		name, quantile_ms(s, 0.5), name, quantile_ms(s, 0.95), name,
		quantile_ms(s, 0.99), name, quantile_ms(s, 1));
}

void stats_print_json(struct stats *kinds, size_t count, double seconds,
		      FILE *out)
{
	uint64_t total = 0, errors = 0;

	fprintf(out, "{\"requests\": [");
	for (size_t i = 0; i < count; i++) {
		struct stats *s = &kinds[i];

		series_sort(&s->whole);
		series_sort(&s->first);
		total += s->whole.count;
		errors += s->errors;
		fprintf(out,
			"%s\n  {\"name\": \"%s\", \"count\": %zu"
			", \"errors\": %" PRIu64 ", \"body_bytes\": %" PRIu64,
			i ? "," : "", s->name, s->whole.count, s->errors,
			s->body_bytes);
		print_quantiles("whole", &s->whole, out);
		print_quantiles("first", &s->first, out);
		fprintf(out, "}");
	}
	fprintf(out,
		"],\n \"count\": %" PRIu64 ", \"errors\": %" PRIu64
		", \"seconds\": %.3f, \"rps\": %.1f}\n",
		total, errors, seconds, (double)total / seconds);
}
