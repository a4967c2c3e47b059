/*
 * amount: see amount.h.
 */
#include "profiler/analysis/amount.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "profiler/base/units.h"

_Static_assert((int)AMOUNT_MAX >= (int)UNITS_TEXT_MAX, "units write into it");

static char *format_count(char out[AMOUNT_MAX], double value)
{
	char digits[UNITS_TEXT_MAX];

	/* A mean of counts has a fraction worth showing while it is small. */
	if (fabs(value) < 100 && value != floor(value)) {
		snprintf(out, AMOUNT_MAX, "%.2g", value);
		return out;
	}
	units_format_count(digits, (uint64_t)fmin(fabs(value), 1e18));
	snprintf(out, AMOUNT_MAX, "%s%.30s", value < 0 ? "-" : "", digits);
	return out;
}

char *amount_format(char out[AMOUNT_MAX], enum amount_unit unit, double value)
{
	if (!isfinite(value))
		return strcpy(out, "?");
	switch (unit) {
	case AMOUNT_BYTES:
		return units_format_bytes(out, value);
	case AMOUNT_MS:
		return units_format_duration(out, value * 1e6);
	case AMOUNT_SHARE:
		snprintf(out, AMOUNT_MAX, "%.3g %%", value * 100);
		return out;
	case AMOUNT_RATE:
		snprintf(out, AMOUNT_MAX, "%.*f/s", fabs(value) < 10 ? 2 : 0,
			 value);
		return out;
	case AMOUNT_COUNT:
		break;
	}
	return format_count(out, value);
}

char *amount_format_change(char out[AMOUNT_MAX], enum amount_unit unit,
			   double value)
{
	char plain[AMOUNT_MAX];

	amount_format(plain, unit, fabs(value));
	snprintf(out, AMOUNT_MAX, "%s%.30s",
		 value > 0   ? "+"
		 : value < 0 ? "-"
			     : "",
		 plain);
	return out;
}

const char *amount_unit_name(enum amount_unit unit)
{
	static const char *const names[] = { "bytes", "ms", "share",
					     "per_second", "count" };

	return names[unit];
}
