/*
 * verdict_rig: a minute of a server in half seconds, 100 requests a second,
 * and verbs to give its places what they hold.
 */
#ifndef STRANDLINE_TESTS_VERDICT_RIG_H
#define STRANDLINE_TESTS_VERDICT_RIG_H

#include "profiler/analysis/verdict.h"
#include "profiler/base/err.h"
#include "tests/unit/fixture_model.h"

#define WINDOWS 120u /* of half a second */
#define RATE	50.0 /* requests in each */

/* clang-format off */
static const struct model_frame frames[] = {
	{ "main", "main.c", "/srv/app", 10, FRAME_NATIVE, MODULE_APPLICATION,
	  false },
	{ "parse_prompt", "parser.c", "/srv/app", 88, FRAME_NATIVE,
	  MODULE_APPLICATION, false },
	{ "parse_prompt", "parser.c", "/srv/app", 91, FRAME_NATIVE,
	  MODULE_APPLICATION, false },
	{ "cache_put", "cache.c", "/srv/app", 12, FRAME_NATIVE,
	  MODULE_APPLICATION, false },
	{ "pthread_create", NULL, "/lib/libc.so.6", 0, FRAME_NATIVE,
	  MODULE_LIBC, false },
};
/* clang-format on */
enum { MAIN, PARSE, PARSE_TOO, CACHE, THREAD };

static struct fixture f;
static struct model_window windows[WINDOWS];
static struct model_level levels[4][WINDOWS];
static struct model_ledger_point ledger[WINDOWS];

static inline void setup(void)
{
	struct model *m = &f.model;

	fixture_begin(&f);
	memcpy(f.frames, frames, sizeof(frames));
	m->frame_count = sizeof(frames) / sizeof(frames[0]);
	m->mode = "exact";
	m->mean_bytes = 0;
	m->windows = windows;
	m->window_count = WINDOWS;
	m->window_seconds = 0.5;
	m->duration = WINDOWS * 0.5;
	m->ledger = ledger;
	m->ledger_count = WINDOWS;
	for (uint32_t w = 0; w < WINDOWS; w++) {
		windows[w].t = w * 0.5;
		windows[w].requests = RATE;
		memset(&ledger[w], 0xff, sizeof(ledger[w]));
		ledger[w].t = w * 0.5;
		ledger[w].pid = 7;
		ledger[w].rss = 50 << 20;
		ledger[w].heap = 30 << 20;
		ledger[w].anonymous = 10 << 20;
		ledger[w].threads = 4;
		ledger[w].fds = 20;
	}
}

/* A site whose level is @at(w), of which nothing is given back. */
static inline struct model_site *site(unsigned n, const int8_t *stack,
				      double (*at)(uint32_t w))
{
	struct model_site *s = fixture_site(&f, stack);

	for (uint32_t w = 0; w < WINDOWS; w++) {
		double end = at(w + 1), begin = at(w);

		levels[n][w] = (struct model_level) {
			.window = w,
			.end = end,
			.low = begin,
			.old = begin,
			.count = end / 64,
			.allocated = end > begin ? end - begin : 0,
		};
	}
	s->levels = levels[n];
	s->level_count = WINDOWS;
	s->unreachable.bytes = -1;
	s->live.bytes = s->allocated.bytes = at(WINDOWS);
	s->samples = 1000;
	return s;
}

/* What a place may hold when window @w begins. */
static inline double flat(uint32_t w)
{
	(void)w;
	return 1 << 20;
}

static inline double leak(uint32_t w)
{
	return 1024 * RATE * w;
}

static const int8_t in_main[] = { MAIN, -1 };
static const int8_t in_parse[] = { MAIN, PARSE, -1 };
static const int8_t in_parse_too[] = { MAIN, PARSE_TOO, -1 };
static const int8_t in_cache[] = { MAIN, CACHE, -1 };

static inline struct verdict *judge(void)
{
	struct err err = ERR_INIT;
	struct verdict *v;

	cr_assert_eq(verdict_of(&v, &f.model, &err), 0, "%s", err.text);
	return v;
}

#endif
