/*
 * units: parse and print bytes, durations, shares, rates and counts.
 *
 * The parser takes plain decimals only and never asks the locale: "1.5 GiB"
 * means the same everywhere, and "nan", "0x10" or "1e3" are not sizes.
 */
#include "profiler/base/units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "profiler/base/err.h"

struct unit {
	const char *name;
	uint64_t scale;
};

static const struct unit byte_units[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "K", 1ULL << 10 },
	{ "KB", 1000ULL },
	{ "KiB", 1ULL << 10 },
	{ "M", 1ULL << 20 },
	{ "MB", 1000000ULL },
	{ "MiB", 1ULL << 20 },
	{ "G", 1ULL << 30 },
	{ "GB", 1000000000ULL },
	{ "GiB", 1ULL << 30 },
	{ "T", 1ULL << 40 },
	{ "TB", 1000000000000ULL },
	{ "TiB", 1ULL << 40 },
};

#define NS_PER_SECOND 1000000000ULL

static const struct unit time_units[] = {
	{ "", NS_PER_SECOND },
	{ "ns", 1 },
	{ "us", 1000 },
	{ "ms", 1000000 },
	{ "s", NS_PER_SECOND },
	{ "m", 60 * NS_PER_SECOND },
	{ "min", 60 * NS_PER_SECOND },
	{ "h", 3600 * NS_PER_SECOND },
	{ "d", 86400 * NS_PER_SECOND },
};

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static const char *skip_spaces(const char *at)
{
	while (*at == ' ' || *at == '\t')
		at++;
	return at;
}

/* Digits with an optional fraction; false if there is none or too large. */
static bool parse_decimal(const char **at, uint64_t *whole, double *fraction)
{
	double place = 0.1;
	bool digits = false;

	*whole = 0;
	*fraction = 0;
	for (; isdigit((unsigned char)**at); ++*at, digits = true)
		if (__builtin_mul_overflow(*whole, 10, whole) ||
		    __builtin_add_overflow(*whole, **at - '0', whole))
			return false;
	if (**at != '.')
		return digits;
	for (++*at; isdigit((unsigned char)**at); ++*at, digits = true) {
		*fraction += (**at - '0') * place;
		place /= 10;
	}
	return digits;
}

/* The unit named by the letters at *@at, which move past it. */
static const struct unit *parse_unit(const char **at, const struct unit *units,
				     size_t count)
{
	const char *end = *at;

	while (isalpha((unsigned char)*end))
		end++;
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(units[i].name);

		if (len == (size_t)(end - *at) &&
		    strncasecmp(units[i].name, *at, len) == 0) {
			*at = end;
			return &units[i];
		}
	}
	return NULL;
}

/* One "NUMBER UNIT" added to *@sum. */
static bool parse_term(const char **at, const struct unit *units, size_t count,
		       uint64_t *sum)
{
	const struct unit *unit;
	uint64_t whole, value;
	double fraction;

	if (!parse_decimal(at, &whole, &fraction))
		return false;
	*at = skip_spaces(*at);
	unit = parse_unit(at, units, count);
	if (!unit || __builtin_mul_overflow(whole, unit->scale, &value) ||
	    __builtin_add_overflow(
		    value, (uint64_t)llround(fraction * (double)unit->scale),
		    &value))
		return false;
	return !__builtin_add_overflow(*sum, value, sum);
}

int units_parse_bytes(const char *text, uint64_t *bytes, struct err *err)
{
	const char *at = skip_spaces(text);
	uint64_t sum = 0;

	if (!parse_term(&at, byte_units, COUNT_OF(byte_units), &sum) ||
	    *skip_spaces(at) != '\0')
		return err_set(err, -EINVAL,
			       "'%s' is not a size; write for example 4096, "
			       "64KiB or 1.5GiB",
			       text);
	*bytes = sum;
	return 0;
}

int units_parse_duration(const char *text, uint64_t *ns, struct err *err)
{
	bool bare = text[strspn(text, "0123456789. \t")] == '\0';
	const struct unit *units = bare ? time_units : time_units + 1;
	const char *at = skip_spaces(text);
	uint64_t sum = 0;
	bool ok;

	/* Several terms, as units_format_duration() prints them: "4m10s". */
	do {
		ok = parse_term(&at, units, COUNT_OF(time_units) - !bare, &sum);
		at = skip_spaces(at);
	} while (ok && !bare && *at != '\0');
	if (!ok || *at != '\0')
		return err_set(err, -EINVAL,
			       "'%s' is not a duration; write for example "
			       "250ms, 30s, 5m or 1h30m",
			       text);
	*ns = sum;
	return 0;
}

int units_parse_share(const char *text, double *share, struct err *err)
{
	const char *at = skip_spaces(text);
	uint64_t whole;
	double fraction;

	if (parse_decimal(&at, &whole, &fraction)) {
		at = skip_spaces(at);
		if (*at == '%' && *skip_spaces(at + 1) == '\0') {
			*share = ((double)whole + fraction) / 100;
			return 0;
		}
	}
	return err_set(err, -EINVAL,
		       "'%s' is not a share; write for example 20%% or 0.5%%",
		       text);
}

int units_parse_rate(const char *text, double *per_second, struct err *err)
{
	const char *at = skip_spaces(text);
	const struct unit *unit;
	uint64_t whole;
	double fraction;

	if (parse_decimal(&at, &whole, &fraction)) {
		at = skip_spaces(at);
		if (*at == '/') {
			at = skip_spaces(at + 1);
			unit = parse_unit(&at, time_units + 1,
					  COUNT_OF(time_units) - 1);
			if (unit && *skip_spaces(at) == '\0') {
				*per_second = ((double)whole + fraction) *
					      (double)NS_PER_SECOND /
					      (double)unit->scale;
				return 0;
			}
		}
	}
	return err_set(err, -EINVAL,
		       "'%s' is not a rate; write for example 100/s or 90/min",
		       text);
}

char *units_format_bytes(char out[UNITS_TEXT_MAX], double bytes)
{
	static const char *const names[] = { "B",   "KiB", "MiB", "GiB",
					     "TiB", "PiB", "EiB" };
	double size = fabs(bytes);
	size_t unit = 0;

	if (!isfinite(bytes)) {
		snprintf(out, UNITS_TEXT_MAX, "?");
		return out;
	}
	/* What would print as "1024 B" or "1024.0 KiB" is one of the next. */
	while (unit + 1 < COUNT_OF(names) &&
	       size >= (unit == 0 ? 1023.5 : 1023.95)) {
		size /= 1024;
		unit++;
	}
	if (size >= 1e9) /* no machine holds it; keep to the buffer */
		snprintf(out, UNITS_TEXT_MAX, "%.3g %s",
			 bytes < 0 ? -size : size, names[unit]);
	else
		snprintf(out, UNITS_TEXT_MAX, "%s%.*f %s",
			 bytes < 0 && size >= 0.5 ? "-" : "", unit == 0 ? 0 : 1,
			 size, names[unit]);
	return out;
}

/* "4m10s", "2h05m", "3d04h": the two largest parts. */
static void format_parts(char out[UNITS_TEXT_MAX], const char *sign,
			 double seconds)
{
	double minutes = floor(seconds / 60), hours = floor(minutes / 60);

	if (minutes < 60)
		snprintf(out, UNITS_TEXT_MAX, "%s%.0fm%02.0fs", sign, minutes,
			 seconds - minutes * 60);
	else if (hours < 24)
		snprintf(out, UNITS_TEXT_MAX, "%s%.0fh%02.0fm", sign, hours,
			 minutes - hours * 60);
	else
		snprintf(out, UNITS_TEXT_MAX, "%s%.0fd%02.0fh", sign,
			 floor(hours / 24), fmod(hours, 24));
}

char *units_format_duration(char out[UNITS_TEXT_MAX], double ns)
{
	static const char *const names[] = { "ns", "us", "ms", "s" };
	const char *sign = ns < 0 ? "-" : "";
	double value = fabs(ns);
	size_t unit = 0;

	if (!isfinite(ns)) {
		snprintf(out, UNITS_TEXT_MAX, "?");
		return out;
	}
	if (value >= 59.95e9) {
		format_parts(out, sign, round(value / 1e9));
		return out;
	}
	while (unit + 1 < COUNT_OF(names) && value >= 999.5) {
		value /= 1000;
		unit++;
	}
	snprintf(out, UNITS_TEXT_MAX, "%s%.*f %s", value > 0 ? sign : "",
		 unit == 3 || (unit > 0 && value < 9.95) ? 1 : 0, value,
		 names[unit]);
	return out;
}

char *units_format_count(char out[UNITS_TEXT_MAX], uint64_t n)
{
	char digits[24];
	int len =
		snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	char *to = out;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return out;
}
