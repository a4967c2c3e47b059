/*
 * record_args: what `run` and `attach` let the user say about the recorder.
 */
#ifndef STRANDLINE_CMD_RECORD_ARGS_H
#define STRANDLINE_CMD_RECORD_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct opt_list;

/* The choices of --mode. */
const char *record_args_mode(size_t n);
/*
 * What --rate says (NULL: nothing) as a mean distance between samples; 0 for
 * auto.  -EINVAL with a sentence.
 */
int record_args_rate(const char *rate, bool exact, uint64_t *mean_bytes,
		     struct err *err);
/* What the recorder would not take is told before anything is begun. */
int record_args_check_routes(const struct opt_list *routes, struct err *err);

#endif
