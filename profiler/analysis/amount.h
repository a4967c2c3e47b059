/*
 * amount: a number with its unit, as a person reads it.
 */
#ifndef STRANDLINE_ANALYSIS_AMOUNT_H
#define STRANDLINE_ANALYSIS_AMOUNT_H

enum amount_unit {
	AMOUNT_BYTES,
	AMOUNT_MS,
	AMOUNT_SHARE, /* 0..1 */
	AMOUNT_RATE,  /* per second */
	AMOUNT_COUNT,
};

#define AMOUNT_MAX 32

/* "64.2 MiB", "250 ms", "0.5 %", "120/s", "1,024"; "?" for what is not
 * finite.  Returns @out. */
char *amount_format(char out[AMOUNT_MAX], enum amount_unit unit, double value);

/* The same with a sign in front: "+64.2 MiB". */
char *amount_format_change(char out[AMOUNT_MAX], enum amount_unit unit,
			   double value);

/* "bytes", "ms", "share", "per_second", "count": for JSON. */
const char *amount_unit_name(enum amount_unit unit);

#endif
