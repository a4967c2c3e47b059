/*
 * budget_file: strandline.yml -> budgets.
 *
 * The schema is libcyaml's; limits are read as text, for "512 MiB" is no type
 * of YAML, and turned into numbers with the place of each at hand.
 */
#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "profiler/analysis/budget.h"
#include "profiler/analysis/outline.h"
#include "profiler/base/err.h"
#include "profiler/base/units.h"

#define MOST_ENDPOINTS	  200
#define MOST_SUPPRESSIONS 1000

/* clang-format off */
const struct budget_kind budget_kinds[BUDGET_KINDS] = {
#define M BUDGET_MEMORY
#define L BUDGET_LATENCY
	[BUDGET_RSS] = { "memory.rss_max", M, AMOUNT_BYTES, false, false,
			 "peak RSS" },
	[BUDGET_GROWTH] = { "memory.growth_per_request_max", M, AMOUNT_BYTES,
			    false, false, "growth of RSS per request" },
	[BUDGET_IDLE] = { "memory.retained_after_idle_max", M, AMOUNT_BYTES,
			  false, false, "RSS kept after the load" },
	[BUDGET_ALLOC] = { "memory.alloc_max", M, AMOUNT_BYTES, true, false,
			   "bytes allocated per request" },
	[BUDGET_RETAINED] = { "memory.retained_max", M, AMOUNT_BYTES, true,
			      false, "bytes retained per request" },
	[BUDGET_P50] = { "latency.p50_max", L, AMOUNT_MS, true, false, "p50" },
	[BUDGET_P95] = { "latency.p95_max", L, AMOUNT_MS, true, false, "p95" },
	[BUDGET_P99] = { "latency.p99_max", L, AMOUNT_MS, true, false, "p99" },
	[BUDGET_TTFB_P50] = { "latency.ttfb_p50_max", L, AMOUNT_MS, true,
			      false, "p50 of the time to first byte" },
	[BUDGET_TTFB_P95] = { "latency.ttfb_p95_max", L, AMOUNT_MS, true,
			      false, "p95 of the time to first byte" },
	[BUDGET_ERRORS] = { "latency.error_rate_max", L, AMOUNT_SHARE, true,
			    false, "error rate" },
	[BUDGET_THROUGHPUT] = { "latency.throughput_min", L, AMOUNT_RATE, true,
				true, "throughput" },
	[BUDGET_THREADS] = { "threads.max", BUDGET_THREAD_SECTION,
			     AMOUNT_COUNT, false, false, "most threads" },
	[BUDGET_FDS] = { "fds.max", BUDGET_FD_SECTION, AMOUNT_COUNT, false,
			 false, "most descriptors" },
#undef M
#undef L
};
/* clang-format on */

/* The file as libcyaml loads it. */
struct limits {
	char *route; /* of an endpoint's */
	char *slow;  /* of one of latency's */
	char *text[BUDGET_KINDS];
};

struct section {
	struct limits limits;
	char *slow; /* of latency */
	struct limits *endpoints;
	unsigned endpoints_count;
};

struct leaks {
	unsigned fail; /* bits of classes[] */
	char **suppressions;
	unsigned suppressions_count;
	char **suppression_files;
	unsigned suppression_files_count;
};

struct file {
	struct section sections[BUDGET_SECTIONS];
	struct leaks leaks;
	int missing, inconclusive;
};

enum { FAIL, IGNORE };

#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))
#define BIT(class)     (1 << (class))

static const cyaml_strval_t fail_or_ignore[] = {
	{ "fail", FAIL },
	{ "ignore", IGNORE },
};

static const cyaml_strval_t classes[] = {
	{ "leak", BIT(FINDING_LEAK) },
	{ "growth", BIT(FINDING_GROWTH) },
	{ "mappings", BIT(FINDING_MAPPINGS) },
	{ "threads", BIT(FINDING_THREADS) },
	{ "fds", BIT(FINDING_FDS) },
	{ "retention", BIT(FINDING_RETENTION) },
};

#define LIMIT(key, what)                                                \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_OPTIONAL, struct limits, \
			       text[what], 0, CYAML_UNLIMITED)
#define SECTION_LIMIT(key, what)                                         \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_OPTIONAL, struct section, \
			       limits.text[what], 0, CYAML_UNLIMITED)
#define ROUTE                                                              \
	CYAML_FIELD_STRING_PTR("route", CYAML_FLAG_DEFAULT, struct limits, \
			       route, 1, CYAML_UNLIMITED)

static const cyaml_schema_field_t memory_endpoint_keys[] = {
	ROUTE,
	LIMIT("alloc_max", BUDGET_ALLOC),
	LIMIT("retained_max", BUDGET_RETAINED),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t latency_endpoint_keys[] = {
	ROUTE,
	LIMIT("p50_max", BUDGET_P50),
	LIMIT("p95_max", BUDGET_P95),
	LIMIT("p99_max", BUDGET_P99),
	LIMIT("ttfb_p50_max", BUDGET_TTFB_P50),
	LIMIT("ttfb_p95_max", BUDGET_TTFB_P95),
	LIMIT("error_rate_max", BUDGET_ERRORS),
	LIMIT("throughput_min", BUDGET_THROUGHPUT),
	CYAML_FIELD_STRING_PTR("slow", CYAML_FLAG_OPTIONAL, struct limits, slow,
			       0, CYAML_UNLIMITED),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t memory_endpoint = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct limits, memory_endpoint_keys) };
static const cyaml_schema_value_t latency_endpoint = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct limits, latency_endpoint_keys) };
static const cyaml_schema_value_t any_text = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, CYAML_UNLIMITED)
};

static const cyaml_schema_field_t memory_keys[] = {
	SECTION_LIMIT("rss_max", BUDGET_RSS),
	SECTION_LIMIT("growth_per_request_max", BUDGET_GROWTH),
	SECTION_LIMIT("retained_after_idle_max", BUDGET_IDLE),
	CYAML_FIELD_SEQUENCE("endpoints",
			     CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
			     struct section, endpoints, &memory_endpoint, 0,
			     MOST_ENDPOINTS),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t latency_keys[] = {
	CYAML_FIELD_STRING_PTR("slow", CYAML_FLAG_OPTIONAL, struct section,
			       slow, 0, CYAML_UNLIMITED),
	CYAML_FIELD_SEQUENCE("endpoints",
			     CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
			     struct section, endpoints, &latency_endpoint, 0,
			     MOST_ENDPOINTS),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t thread_keys[] = {
	SECTION_LIMIT("max", BUDGET_THREADS),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t fd_keys[] = {
	SECTION_LIMIT("max", BUDGET_FDS),
	CYAML_FIELD_END,
};

#define TEXTS(member)                                                  \
	CYAML_FIELD_SEQUENCE(#member,                                  \
			     CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, \
			     struct leaks, member, &any_text, 0,       \
			     MOST_SUPPRESSIONS)

static const cyaml_schema_field_t leak_keys[] = {
	CYAML_FIELD_FLAGS("fail", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT,
			  struct leaks, fail, classes, COUNT_OF(classes)),
	TEXTS(suppressions),
	TEXTS(suppression_files),
	CYAML_FIELD_END,
};

#define SECTION(key, which, keys)                                  \
	CYAML_FIELD_MAPPING(key, CYAML_FLAG_OPTIONAL, struct file, \
			    sections[which], keys)
#define FAIL_OR_IGNORE(key, member)                                    \
	CYAML_FIELD_ENUM(key, CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, \
			 struct file, member, fail_or_ignore,          \
			 COUNT_OF(fail_or_ignore))

static const cyaml_schema_field_t file_keys[] = {
	SECTION("memory", BUDGET_MEMORY, memory_keys),
	SECTION("latency", BUDGET_LATENCY, latency_keys),
	SECTION("threads", BUDGET_THREAD_SECTION, thread_keys),
	SECTION("fds", BUDGET_FD_SECTION, fd_keys),
	CYAML_FIELD_MAPPING("leaks", CYAML_FLAG_OPTIONAL, struct file, leaks,
			    leak_keys),
	FAIL_OR_IGNORE("missing", missing),
	FAIL_OR_IGNORE("inconclusive", inconclusive),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t file_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct file, file_keys)
};

static const cyaml_config_t config = {
	.mem_fn = cyaml_mem,
	.log_level = CYAML_LOG_ERROR,
	.flags = CYAML_CFG_NO_ALIAS,
};

static int parse_count(const char *text, double *n, struct err *err)
{
	char *end;
	unsigned long long whole;

	errno = 0;
	whole = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno)
		return err_set(err, -EINVAL, "'%.60s' is not a whole number",
			       text);
	*n = (double)whole;
	return 0;
}

static int parse_limit(enum amount_unit unit, const char *text, double *limit,
		       struct err *err)
{
	uint64_t whole = 0;
	int rc;

	switch (unit) {
	case AMOUNT_BYTES:
		rc = units_parse_bytes(text, &whole, err);
		*limit = (double)whole;
		return rc;
	case AMOUNT_MS:
		/* A bare 250 would be seconds, and is meant as ms. */
		if (!strpbrk(text, "numshd"))
			return err_set(err, -EINVAL,
				       "'%.60s' has no unit; write 250ms or "
				       "1.5s",
				       text);
		rc = units_parse_duration(text, &whole, err);
		*limit = (double)whole / 1e6;
		return rc;
	case AMOUNT_SHARE:
		return units_parse_share(text, limit, err);
	case AMOUNT_RATE:
		return units_parse_rate(text, limit, err);
	case AMOUNT_COUNT:
		break;
	}
	return parse_count(text, limit, err);
}

static int add_limit(struct budgets *b, const struct outline *o,
		     enum budget_what what, const char *path, const char *route,
		     const char *text, struct err *err)
{
	struct budget *budget = vec_push(&b->list);
	struct err why = ERR_INIT;
	double limit = 0;

	if (!budget)
		return err_set(err, -ENOMEM, "out of memory");
	if (parse_limit(budget_kinds[what].unit, text, &limit, &why) < 0)
		return outline_refuse(o, path, err, "%s", why.text);
	budget->what = what;
	budget->limit = limit;
	budget->line = outline_find(o, path) ? outline_find(o, path)->line : 0;
	if (route) {
		budget->route = strdup(route);
		if (!budget->route)
			return err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

/* "memory.endpoints[0]" + ".p50_max" */
static void key_path(char out[96], const char *under, enum budget_what what)
{
	snprintf(out, 96, "%s%s", under, strrchr(budget_kinds[what].name, '.'));
}

static int add_limits(struct budgets *b, const struct outline *o,
		      const char *under, const struct limits *limits,
		      struct err *err)
{
	char path[96];
	int rc = 0;

	for (int what = 0; rc == 0 && what < BUDGET_KINDS; what++) {
		if (!limits->text[what])
			continue;
		key_path(path, under, what);
		rc = add_limit(b, o, what, path, limits->route,
			       limits->text[what], err);
	}
	return rc;
}

/* "POST /x", "/x" or "*": a path or a star at the end. */
static int check_route(const struct outline *o, const char *under,
		       const char *route, struct err *err)
{
	const char *space = strrchr(route, ' ');
	const char *path = space ? space + 1 : route;
	char at[96];

	if (*path == '/' || *path == '*')
		return 0;
	snprintf(at, sizeof(at), "%s.route", under);
	return outline_refuse(o, at, err,
			      "'%.80s' is no route; write it as 'POST /path', "
			      "'/path' or with * for any text",
			      route);
}

static int add_section(struct budgets *b, const struct outline *o,
		       const char *name, const struct section *s,
		       struct err *err)
{
	char under[64];
	int rc = add_limits(b, o, name, &s->limits, err);

	for (unsigned i = 0; rc == 0 && i < s->endpoints_count; i++) {
		snprintf(under, sizeof(under), "%s.endpoints[%u]", name, i);
		rc = check_route(o, under, s->endpoints[i].route, err);
		if (rc == 0)
			rc = add_limits(b, o, under, &s->endpoints[i], err);
	}
	return rc;
}

/* The pattern at @path; a text with line breaks was refused before. */
static int add_suppression(struct budgets *b, const struct outline *o,
			   const char *path, const char *text, struct err *err)
{
	const struct outline_place *place = outline_find(o, path);
	uint32_t line = place ? place->line : 1;
	struct err why = ERR_INIT;
	int rc = suppressions_parse(&b->suppressions, o->name, line, text,
				    strlen(text), &why);
	int prefix;

	if (rc == 0)
		return 0;
	if (rc == -EINVAL && place) {
		prefix = snprintf(NULL, 0, "%s:%u: ", o->name, line);
		return outline_refuse(o, path, err, "%s", why.text + prefix);
	}
	return err_set(err, rc, "%s", why.text);
}

static int add_suppressions(struct budgets *b, const struct outline *o,
			    const struct file *f, struct err *err)
{
	char path[64], **name;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < f->leaks.suppressions_count; i++) {
		snprintf(path, sizeof(path), "leaks.suppressions[%u]", i);
		rc = add_suppression(b, o, path, f->leaks.suppressions[i], err);
	}
	for (unsigned i = 0; rc == 0 && i < f->leaks.suppression_files_count;
	     i++) {
		name = vec_push(&b->suppression_files);
		if (name)
			*name = strdup(f->leaks.suppression_files[i]);
		if (!name || !*name)
			rc = err_set(err, -ENOMEM, "out of memory");
	}
	return rc;
}

/* What is slow is listed; no budget. */
static int parse_slow(const struct outline *o, const char *path,
		      const char *text, double *ms, struct err *err)
{
	struct err why = ERR_INIT;

	if (parse_limit(AMOUNT_MS, text, ms, &why) < 0)
		return outline_refuse(o, path, err, "%s", why.text);
	return *ms > 0 ? 0
		       : outline_refuse(o, path, err,
					"nothing is faster than '%.60s'", text);
}

static int add_slow(struct budgets *b, const struct outline *o,
		    const char *path, const struct limits *limits,
		    struct err *err)
{
	struct slow_limit *limit = vec_push(&b->slow_limits.list);

	if (limit)
		limit->route = strdup(limits->route);
	if (!limit || !limit->route)
		return err_set(err, -ENOMEM, "out of memory");
	return parse_slow(o, path, limits->slow, &limit->ms, err);
}

static int take_slow(struct budgets *b, const struct outline *o,
		     const struct section *latency, struct err *err)
{
	char path[96];
	int rc = 0;

	if (latency->slow)
		rc = parse_slow(o, "latency.slow", latency->slow, &b->slow_ms,
				err);
	for (unsigned i = 0; i < latency->endpoints_count && rc == 0; i++) {
		if (!latency->endpoints[i].slow)
			continue;
		snprintf(path, sizeof(path), "latency.endpoints[%u].slow", i);
		rc = add_slow(b, o, path, &latency->endpoints[i], err);
	}
	return rc;
}

static int take(struct budgets *b, const struct outline *o,
		const struct file *f, struct err *err)
{
	static const char *const names[BUDGET_SECTIONS] = { "memory", "latency",
							    "threads", "fds" };
	int rc = 0;

	if (outline_find(o, "leaks.fail"))
		b->fails = f->leaks.fail;
	b->missing_fails = outline_find(o, "missing") && f->missing == FAIL;
	b->inconclusive_passes =
		outline_find(o, "inconclusive") && f->inconclusive == IGNORE;
	for (int s = 0; rc == 0 && s < BUDGET_SECTIONS; s++)
		rc = add_section(b, o, names[s], &f->sections[s], err);
	if (rc == 0)
		rc = take_slow(b, o, &f->sections[BUDGET_LATENCY], err);
	return rc < 0 ? rc : add_suppressions(b, o, f, err);
}

int budgets_parse(struct budgets *b, const char *name, const char *text,
		  size_t len, struct err *err)
{
	struct file *file = NULL;
	struct outline o;
	cyaml_err_t failed;
	int rc;

	rc = outline_read(&o, name, text, len, &file_schema, err);
	if (rc < 0 || o.places.count == 0)
		goto fini_outline;
	failed = cyaml_load_data((const uint8_t *)text, len, &config,
				 &file_schema, (cyaml_data_t **)&file, NULL);
	if (failed == CYAML_ERR_OOM)
		rc = err_set(err, -ENOMEM, "out of memory");
	else if (failed != CYAML_OK || !file)
		rc = err_set(err, -EINVAL, "%s: %s", name,
			     cyaml_strerror(failed));
	else
		rc = take(b, &o, file, err);
	cyaml_free(&config, &file_schema, file, 0);
fini_outline:
	outline_fini(&o);
	return rc;
}

void budgets_init(struct budgets *b)
{
	*b = (struct budgets) {
		.fails = BIT(FINDING_LEAK) | BIT(FINDING_GROWTH) |
			 BIT(FINDING_MAPPINGS) | BIT(FINDING_THREADS) |
			 BIT(FINDING_FDS),
	};
}

void budgets_fini(struct budgets *b)
{
	struct slow_limit *limit;
	struct budget *budget;
	char **name;

	vec_foreach (&b->list, budget)
		free(budget->route);
	vec_free(&b->list);
	vec_foreach (&b->slow_limits.list, limit)
		free(limit->route);
	vec_free(&b->slow_limits.list);
	vec_foreach (&b->suppression_files, name)
		free(*name);
	vec_free(&b->suppression_files);
	suppressions_free(&b->suppressions);
}
