/*
 * units: parse and print bytes, durations and rates.
 */
#ifndef STRANDLINE_BASE_UNITS_H
#define STRANDLINE_BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * "64KiB", "1.5 MiB", "10MB" (10^6), "4096", "2G" (as GiB).  Returns 0, or
 * -EINVAL with a sentence that quotes @text.
 */
int units_parse_bytes(const char *text, uint64_t *bytes, struct err *err);
/* "250ms", "30s", "5m", "1h", "1.5s"; a bare number means seconds. */
int units_parse_duration(const char *text, uint64_t *ns, struct err *err);
/* "20%", "0.5 %" -> 0.2, 0.005; the sign must be there. */
int units_parse_share(const char *text, double *share, struct err *err);
/* "100/s", "90 / min", "2/h" -> per second. */
int units_parse_rate(const char *text, double *per_second, struct err *err);

#define UNITS_TEXT_MAX 32

/* "812 B", "1.0 KiB", "64.2 MiB"; negative values get a minus.  Returns @out.
 */
char *units_format_bytes(char out[UNITS_TEXT_MAX], double bytes);
/* "850 ns", "1.2 us", "38 ms", "12.3 s", "4m10s", "2h05m". */
char *units_format_duration(char out[UNITS_TEXT_MAX], double ns);
/* 1234567 -> "1,234,567" */
char *units_format_count(char out[UNITS_TEXT_MAX], uint64_t n);

#endif
