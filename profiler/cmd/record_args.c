#include "profiler/cmd/record_args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/err.h"
#include "profiler/base/units.h"
#include "profiler/http/route.h"

#define INTERVAL_MIN_MS 10
#define INTERVAL_MAX_MS 3600000
#define MAX_SIZE_MIN	(1ULL << 20)
#define HERTZ_MAX	1000

const char *record_args_mode(size_t n)
{
	static const char *const modes[] = { "sample", "exact", NULL };

	return modes[n];
}

/* As a mean distance between samples; 0 for auto. */
static int read_rate(const char *rate, bool exact, uint64_t *mean_bytes,
		     struct err *err)
{
	struct err why = ERR_INIT;

	*mean_bytes = 0;
	if (!rate)
		return 0;
	if (exact)
		return err_set(err, -EINVAL,
			       "--rate is for samples; leave it out with "
			       "--mode exact");
	if (strcmp(rate, "auto") == 0)
		return 0;
	if (units_parse_bytes(rate, mean_bytes, &why) < 0)
		return err_set(err, -EINVAL, "--rate: %s, or auto", why.text);
	if (*mean_bytes == 0)
		return err_set(err, -EINVAL,
			       "--rate: 0 is no distance between samples; use "
			       "--mode exact to record every allocation");
	return 0;
}

/* What the recorder would not take. */
static int check_routes(const struct opt_list *routes, struct err *err)
{
	void *memory = aligned_alloc(64, (routes_size() + 63) & ~(size_t)63);
	struct routes *table;
	int rc = 0;

	if (!memory)
		return err_set(err, -ENOMEM, "out of memory");
	memset(memory, 0, routes_size());
	table = routes_init(memory);
	for (size_t i = 0; i < routes->count && rc == 0; i++)
		if (strchr(routes->at[i], '\n') ||
		    !routes_add_template(table, routes->at[i]))
			rc = err_set(err, -EINVAL,
				     "--route: '%s' is no path that begins "
				     "with '/', alone or after a method, of "
				     "at most %d bytes",
				     routes->at[i], ROUTE_TEXT_MAX - 1);
	free(memory);
	return rc;
}

int record_args_check(struct record_args *args, struct err *err)
{
	int rc;

	if (args->interval_ms < INTERVAL_MIN_MS ||
	    args->interval_ms > INTERVAL_MAX_MS)
		return err_set(err, -EINVAL,
			       "--interval: %llu ms is not between %d ms and "
			       "an hour",
			       (unsigned long long)args->interval_ms,
			       INTERVAL_MIN_MS);
	if (args->max_size < MAX_SIZE_MIN)
		return err_set(err, -EINVAL,
			       "--max-size: less than 1 MiB holds no "
			       "recording");
	if (args->hertz > HERTZ_MAX)
		return err_set(err, -EINVAL,
			       "--hertz: more than %d looks a second would "
			       "slow the server down",
			       HERTZ_MAX);
	args->exact = strcmp(args->mode, "exact") == 0;
	rc = check_routes(&args->routes, err);
	return rc < 0 ? rc
		      : read_rate(args->rate, args->exact, &args->mean_bytes,
				  err);
}
