/*
 * record_args: what `run` and `attach` both let the user say: about the
 * recorder, the probes and the recording.
 */
#ifndef STRANDLINE_CMD_RECORD_ARGS_H
#define STRANDLINE_CMD_RECORD_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/cmd/command.h"

struct err;

struct record_args {
	const char *mode, *rate;
	uint64_t interval_ms, max_size, hertz;
	bool follow, http, quiet;
	struct opt_list handlers, routes;
	bool exact;	     /* of `mode`; these by record_args_check() */
	uint64_t mean_bytes; /* of `rate`; 0: auto */
};

#define RECORD_ARGS_DEFAULT                                            \
	{                                                              \
		.mode = "sample", .interval_ms = 1000,                 \
		.max_size = 256ULL << 20, .hertz = 99, .follow = true, \
		.http = true,                                          \
	}

/* Their options, for the table of a command whose @type has them in @field. */
#define RECORD_ARGS_OPTIONS(type, field)                                       \
	{ 0,                                                                   \
	  "mode",                                                              \
	  OPT_CHOICE,                                                          \
	  offsetof(type, field.mode),                                          \
	  "MODE",                                                              \
	  "how much the recorder records (default sample)",                    \
	  record_args_mode,                                                    \
	  false },                                                             \
		{ 0,                                                           \
		  "rate",                                                      \
		  OPT_TEXT,                                                    \
		  offsetof(type, field.rate),                                  \
		  "auto|SIZE",                                                 \
		  "bytes allocated between two samples of the heap; auto "     \
		  "(default) "                                                 \
		  "holds 1,000 samples for each second of CPU time (250 to "   \
		  "1,000 a second), or 500 a second of attach --heap",         \
		  NULL,                                                        \
		  false },                                                     \
		{ 0,                                                           \
		  "interval",                                                  \
		  OPT_COUNT,                                                   \
		  offsetof(type, field.interval_ms),                           \
		  "MS",                                                        \
		  "milliseconds between two readings of the ledger (default "  \
		  "1000)",                                                     \
		  NULL,                                                        \
		  false },                                                     \
		{ 0,                                                           \
		  "max-size",                                                  \
		  OPT_BYTES,                                                   \
		  offsetof(type, field.max_size),                              \
		  "SIZE",                                                      \
		  "the most that the recording may hold on disk (default "     \
		  "256MiB)",                                                   \
		  NULL,                                                        \
		  false },                                                     \
		{ 0,                                                           \
		  "follow",                                                    \
		  OPT_FLAG,                                                    \
		  offsetof(type, field.follow),                                \
		  NULL,                                                        \
		  "record the processes that the server starts too (default)", \
		  NULL,                                                        \
		  true },                                                      \
		{ 0,                                                           \
		  "route",                                                     \
		  OPT_LIST,                                                    \
		  offsetof(type, field.routes),                                \
		  "PATH",                                                      \
		  "requests of such paths are one route: '/users/{id}', or "   \
		  "with a "                                                    \
		  "method 'GET /files/{name:path}'",                           \
		  NULL,                                                        \
		  false },                                                     \
		{ 0,                                                           \
		  "http",                                                      \
		  OPT_FLAG,                                                    \
		  offsetof(type, field.http),                                  \
		  NULL,                                                        \
		  "follow the HTTP requests that the server answers "          \
		  "(default)",                                                 \
		  NULL,                                                        \
		  true },                                                      \
		{ 0,                                                           \
		  "handler",                                                   \
		  OPT_LIST,                                                    \
		  offsetof(type, field.handlers),                              \
		  "NAME",                                                      \
		  "time the calls of this native function, 'search' or "       \
		  "'libindex.so:ns::search', by programs in the kernel; what " \
		  "that costs is said first; of a Python one, "                \
		  "'app.Index.search' or 'python:search', the requests that "  \
		  "it answers, and from the stacks that it is on its time "    \
		  "and "                                                       \
		  "memory",                                                    \
		  NULL,                                                        \
		  false },                                                     \
		{ 0,                                                           \
		  "hertz",                                                     \
		  OPT_COUNT,                                                   \
		  offsetof(type, field.hertz),                                 \
		  "COUNT",                                                     \
		  "looks of the probe cpu at what runs on each CPU a second "  \
		  "(default "                                                  \
		  "99, 0 for none)",                                           \
		  NULL,                                                        \
		  false },                                                     \
	{                                                                      \
		'q', "quiet", OPT_FLAG, offsetof(type, field.quiet), NULL,     \
			"print no summary at the end", NULL, false             \
	}

/* The choices of --mode. */
const char *record_args_mode(size_t n);
/* -EINVAL with a sentence, before anything is begun. */
int record_args_check(struct record_args *args, struct err *err);

#endif
