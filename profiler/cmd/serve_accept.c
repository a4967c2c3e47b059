/*
 * serve_accept: which of the formats a reader wants, by its Accept header.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "profiler/cmd/serve_door.h"

static size_t trimmed(const char **at, size_t len)
{
	while (len && strchr(" \t", **at)) {
		(*at)++;
		len--;
	}
	while (len && strchr(" \t", (*at)[len - 1]))
		len--;
	return len;
}

static bool is_word(const char *at, size_t len, const char *word)
{
	len = trimmed(&at, len);
	return len == strlen(word) && strncasecmp(at, word, len) == 0;
}

/* Of "version=1.0.0;q=0.5": how much it is wanted, 1 unless it says. */
static double quality_of(const char *at, const char *end)
{
	while (at < end) {
		size_t len = strcspn(at, ";,");
		const char *word = at;
		size_t rest = trimmed(&word, len);

		if (rest >= 2 && strncasecmp(word, "q=", 2) == 0)
			return strtod(word + 2, NULL);
		at += len + 1;
	}
	return 1;
}

/* "application/openmetrics-text" in a version that is not ours is not. */
static bool is_our_version(const char *at, const char *end)
{
	while (at < end) {
		size_t len = strcspn(at, ";,");
		const char *word = at;
		size_t rest = trimmed(&word, len);

		if (rest > 8 && strncasecmp(word, "version=", 8) == 0)
			return is_word(word + 8, rest - 8, "1.0.0") ||
			       is_word(word + 8, rest - 8, "0.0.1");
		at += len + 1;
	}
	return true;
}

enum metrics_dialect door_dialect(const char *accept)
{
	double openmetrics = 0, plain = 0;

	while (accept && *accept) {
		const char *end = accept + strcspn(accept, ",");
		size_t len = strcspn(accept, ";,");
		double quality = quality_of(accept + len, end);

		if (is_word(accept, len, "application/openmetrics-text") &&
		    is_our_version(accept + len, end) && quality > openmetrics)
			openmetrics = quality;
		if (is_word(accept, len, "text/plain") && quality > plain)
			plain = quality;
		accept = *end ? end + 1 : end;
	}
	return openmetrics > 0 && openmetrics >= plain ? METRICS_OPENMETRICS
						       : METRICS_PROMETHEUS;
}
