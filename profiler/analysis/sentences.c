/*
 * sentences: how findings and verdicts are told, one sentence each.
 *
 *	leaks 1,024 ± 30 bytes per POST /api/v1/chat in parse_prompt
 *(parser.c:88) clean: 48,000 requests, growth below 2 bytes per request
 *	inconclusive: needs about 9,000 more requests
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "profiler/analysis/verdict_state.h"
#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "profiler/model/model.h"

/* Of one decimal below ten, whole above. */
static void put_number(struct buf *out, double n)
{
	char text[UNITS_TEXT_MAX];

	if (fabs(n) < 9.95)
		buf_printf(out, fabs(n) < 0.095 ? "%.2g" : "%.1f", n);
	else if (fabs(n) < 1e18)
		buf_printf(out, "%s%s", n < 0 ? "-" : "",
			   units_format_count(text,
					      (uint64_t)llround(fabs(n))));
	else
		buf_printf(out, "%.3g", n);
}

/* "1,024 ± 30"; a margin that rounds to nothing is left out. */
static void put_figure(struct buf *out, const struct figure *f)
{
	double margin = fmax(f->value - f->low, f->high - f->value);

	put_number(out, f->value);
	if (!isfinite(margin) || margin < fabs(f->value) * 5e-4 ||
	    margin < 5e-3)
		return;
	buf_puts(out, " \xc2\xb1 ");
	put_number(out, margin);
}

/* "1,024 ± 30 bytes per GET /x", "2.0 threads per second" */
static void put_rate(struct buf *out, const struct owned_verdict *v,
		     const struct finding *f, const char *things)
{
	const struct figure *rate =
		v->by_requests ? &f->bytes_per_request : &f->bytes_per_second;

	put_figure(out, rate);
	buf_printf(out, " %s per ", things);
	if (!v->by_requests)
		buf_puts(out, "second");
	else
		buf_puts(out, f->endpoint ? f->endpoint : "request");
}

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static void put_place(struct buf *out, const struct finding *f,
		      const char *word)
{
	if (!f->function) {
		buf_puts(out, ", spread over many places");
		return;
	}
	buf_printf(out, " %s %s", word, f->function);
	if (f->file && f->line)
		buf_printf(out, " (%s:%u)", base(f->file), f->line);
	else if (f->module && f->module[0])
		buf_printf(out, " (%s)", base(f->module));
}

static const char *allocator_of(const struct model *m)
{
	const char *name = NULL;

	if (m->main_process < m->process_count)
		name = m->processes[m->main_process].allocator;
	return name && strcmp(name, "unknown") ? name : "the allocator";
}

static void put_retention(struct buf *out, const struct owned_verdict *v)
{
	const struct verdict *r = &v->verdict;
	const char *allocator = allocator_of(v->model);
	char rss[UNITS_TEXT_MAX], kept[UNITS_TEXT_MAX];

	buf_printf(out,
		   "RSS grew %s but the live heap did not: %s keeps %s of it",
		   units_format_bytes(rss, r->growth.rss), allocator,
		   units_format_bytes(kept, r->growth.retained));
	if (!strcmp(allocator, "glibc"))
		buf_puts(out, "; `--allocator jemalloc` may give it back");
}

/* Told by pages alone. */
static void put_resident(struct buf *out, const struct owned_verdict *v,
			 const struct finding *f)
{
	buf_puts(out, "RSS grows by ");
	put_rate(out, v, f, "bytes");
	if (f->function)
		buf_puts(out, ", most of it taken");
	put_place(out, f, "in");
	buf_puts(out, ", without a bound in sight; blocks were not looked at");
}

static void put_finding(struct buf *out, const struct owned_verdict *v,
			const struct finding *f)
{
	switch (f->class) {
	case FINDING_LEAK:
		buf_puts(out, "leaks ");
		put_rate(out, v, f, "bytes");
		put_place(out, f, "in");
		break;
	case FINDING_GROWTH:
		if (v->unseen) {
			put_resident(out, v, f);
			break;
		}
		buf_puts(out, "grows by ");
		put_rate(out, v, f, "bytes");
		put_place(out, f, "in");
		buf_puts(out, isnan(f->evidence.unreachable)
				      ? ", without a bound in sight"
				      : ", all reachable, without a bound in "
					"sight");
		break;
	case FINDING_MAPPINGS:
		buf_puts(out, "maps ");
		put_rate(out, v, f, "bytes");
		put_place(out, f, "in");
		buf_puts(out, " and does not unmap them");
		break;
	case FINDING_THREADS:
		buf_puts(out, "keeps ");
		put_rate(out, v, f, "threads");
		if (f->function)
			put_place(out, f, "started in");
		break;
	case FINDING_FDS:
		buf_puts(out, "keeps ");
		put_rate(out, v, f, "file descriptors");
		if (f->function)
			put_place(out, f, "opened in");
		break;
	case FINDING_RETENTION:
		put_retention(out, v);
		break;
	default:
		break;
	}
}

static const char *taken(struct owned_verdict *v, struct buf *text)
{
	const char *kept = text->failed ? NULL : verdict_string(v, text->bytes);

	buf_free(text);
	return kept;
}

int sentence_of_finding(struct owned_verdict *v, struct finding *f)
{
	struct buf text = BUF_INIT;

	put_finding(&text, v, f);
	if (f->objects)
		buf_printf(&text, ": %s", f->objects);
	f->sentence = taken(v, &text);
	return f->sentence ? 0 : -ENOMEM;
}

static void put_looked_at(struct buf *out, const struct owned_verdict *v)
{
	char text[UNITS_TEXT_MAX];

	if (v->by_requests)
		buf_printf(out, "%s requests",
			   units_format_count(text, (uint64_t)v->requests));
	else
		buf_printf(out, "%s without requests",
			   units_format_duration(text, v->seconds * 1e9));
}

/* The next rounder number: a bound is not known to the digit. */
static double rounded_up(double n)
{
	double digit = pow(10, floor(log10(n)));

	return ceil(n / digit) * digit;
}

static void put_clean(struct buf *out, const struct owned_verdict *v)
{
	double least = v->by_requests ? 0.1 : 1;

	buf_puts(out, "clean: ");
	put_looked_at(out, v);
	if (!isfinite(v->bound))
		return;
	buf_puts(out, v->unseen ? ", growth of RSS below " : ", growth below ");
	put_number(out, rounded_up(fmax(v->bound, least)));
	buf_printf(out, " bytes per %s", v->by_requests ? "request" : "second");
	if (v->unseen)
		buf_puts(out, "; blocks were not looked at");
}

static void put_inconclusive(struct buf *out, const struct owned_verdict *v)
{
	double more = v->by_requests ? v->verdict.needs.requests
				     : v->verdict.needs.seconds;
	char text[UNITS_TEXT_MAX];

	buf_puts(out, "inconclusive: ");
	if (v->model->mode && strcmp(v->model->mode, "imported") == 0) {
		buf_puts(out, "an imported profile is of one moment; growth "
			      "shows between two of them (strandline diff)");
		return;
	}
	if (v->model->headless) {
		buf_puts(out, "the beginning of the recording cannot be read");
		return;
	}
	if (v->model->heap_off) {
		buf_puts(out, v->model->heap_off);
		return;
	}
	if (v->too_short)
		buf_printf(out, "%s is too short to see a trend; ",
			   units_format_duration(text,
						 v->model->duration * 1e9));
	buf_puts(out, "needs about ");
	put_number(out, rounded_up(fmax(more, 1)));
	buf_printf(out, " more %s", v->by_requests ? "requests" : "seconds");
}

static void put_others(struct buf *out, const struct verdict *v,
		       const struct finding *told)
{
	size_t others = 0;

	for (size_t i = 0; i < v->finding_count; i++)
		others += !v->findings[i].suppressed && &v->findings[i] != told;
	if (others)
		buf_printf(out, "; and %zu more finding%s", others,
			   others == 1 ? "" : "s");
}

int sentence_of_verdict(struct owned_verdict *o)
{
	struct verdict *v = &o->verdict;
	struct buf text = BUF_INIT;

	if (v->class == FINDING_CLEAN)
		put_clean(&text, o);
	else if (v->class == FINDING_INCONCLUSIVE)
		put_inconclusive(&text, o);
	for (size_t i = 0; i < v->finding_count && !text.len; i++) {
		if (v->findings[i].suppressed)
			continue;
		buf_puts(&text, v->findings[i].sentence);
		put_others(&text, v, &v->findings[i]);
	}
	v->sentence = taken(o, &text);
	return v->sentence ? 0 : -ENOMEM;
}
