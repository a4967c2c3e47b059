/*
 * json_sites: the allocation sites of the JSON report, with their stacks.
 */
#include <errno.h>
#include <stdlib.h>

#include "profiler/analysis/estimate.h"
#include "profiler/base/buf.h"
#include "profiler/base/vec.h"
#include "reports/emit.h"
#include "reports/formats.h"
#include "reports/json.h"
#include "reports/names.h"
#include "reports/sites.h"

/* A value with its 95 % interval; in exact mode all three are equal. */
static void put_interval(struct emit *e, const char *key, double value,
			 double variance)
{
	struct figure f = estimate_interval(value, variance);

	emit_key(e, key);
	emit_open(e, '{');
	emit_key_real(e, "value", f.value, 0);
	emit_key_real(e, "low", f.low, 0);
	emit_key_real(e, "high", f.high, 0);
	emit_close(e, '}');
}

void json_estimate(struct emit *e, const char *key, const struct estimate *x)
{
	emit_key(e, key);
	emit_open(e, '{');
	put_interval(e, "bytes", x->bytes, x->bytes_variance);
	put_interval(e, "count", x->count, x->count_variance);
	emit_close(e, '}');
}

void json_place(struct emit *e, const char *function, const char *file,
		uint32_t line, const char *module)
{
	emit_key_text(e, "function", function);
	emit_key_text(e, "file", file);
	emit_key(e, "line");
	if (line > 0)
		emit_unsigned(e, line);
	else
		emit_null(e);
	emit_key_text(e, "module", module);
}

static void put_place(struct emit *e, const struct model_frame *f)
{
	json_place(e, f->function, f->file, f->line, f->module);
}

/*
 * The frames of all stacks are few and recur by the hundred thousand: each is
 * written once, into one buffer, and copied from there.
 */
struct frame_texts {
	struct buf text;
	size_t *ends; /* frame i's text ends here; it begins at i - 1's */
};

static void put_frame(struct emit *e, const struct model_frame *f)
{
	emit_open(e, '{');
	put_place(e, f);
	emit_key_text(e, "kind", name_frame_kind(f->kind));
	if (f->inlined)
		emit_key_bool(e, "inlined", true);
	emit_close(e, '}');
}

static int frame_texts_init(struct frame_texts *ft, const struct model *m)
{
	*ft = (struct frame_texts) { .text = BUF_INIT };
	ft->ends = malloc((m->frame_count + 1) * sizeof(*ft->ends));
	if (!ft->ends)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->frame_count; i++) {
		struct emit e = { .out = &ft->text };

		put_frame(&e, &m->frames[i]);
		ft->ends[i] = ft->text.len;
	}
	return buf_status(&ft->text);
}

static void frame_texts_fini(struct frame_texts *ft)
{
	buf_free(&ft->text);
	free(ft->ends);
}

struct stack {
	VEC(uint32_t) frames; /* leaf first, as the tree is climbed */
};

static int collect(struct stack *stack, const struct model *m,
		   const struct report_options *opt, uint32_t node)
{
	stack->frames.count = 0;
	for (; node != MODEL_NONE; node = m->nodes[node].parent) {
		uint32_t *frame, f = m->nodes[node].frame;

		if (report_hides(opt, &m->frames[f]))
			continue;
		frame = vec_push(&stack->frames);
		if (!frame)
			return -ENOMEM;
		*frame = f;
	}
	return 0;
}

int json_stack(struct emit *e, const struct model *m,
	       const struct report_options *opt, uint32_t node)
{
	struct stack stack = { VEC_INIT };
	int rc = collect(&stack, m, opt, node);

	emit_key(e, "stack");
	emit_open(e, '[');
	for (size_t i = stack.frames.count; i-- > 0;)
		put_frame(e, &m->frames[stack.frames.at[i]]);
	emit_close(e, ']');
	vec_free(&stack.frames);
	return rc;
}

static int put_stack(struct emit *e, const struct model *m,
		     const struct report_options *opt,
		     const struct frame_texts *ft, struct stack *stack,
		     uint32_t node)
{
	int rc = collect(stack, m, opt, node);

	if (rc < 0)
		return rc;
	emit_key(e, "stack");
	emit_open(e, '[');
	for (size_t i = stack->frames.count; i-- > 0;) {
		uint32_t f = stack->frames.at[i];
		size_t start = f > 0 ? ft->ends[f - 1] : 0;

		emit_raw(e, ft->text.bytes + start, ft->ends[f] - start);
	}
	emit_close(e, ']');
	return 0;
}

static void put_objects(struct emit *e, const struct model_site *s)
{
	if (!s->object_type)
		return;
	emit_key(e, "objects");
	emit_open(e, '{');
	emit_key_text(e, "type", s->object_type);
	emit_key_text(e, "holder", s->holder);
	emit_key_text(e, "holder_type", s->holder_type);
	emit_close(e, '}');
}

static void put_site(struct emit *e, const struct model *m,
		     const struct report_options *opt,
		     const struct model_site *s)
{
	static const struct model_frame hidden = { .function = "[hidden]",
						   .module = "" };
	uint32_t blamed = sites_blamed(m, opt, s);

	put_place(e, blamed == MODEL_NONE ? &hidden : &m->frames[blamed]);
	json_estimate(e, "live", &s->live);
	json_estimate(e, "allocated", &s->allocated);
	json_estimate(e, "peak", &s->peak);
	json_estimate(e, "temporary", &s->temporary);
	json_estimate(e, "inherited_freed", &s->inherited_freed);
	emit_key_real(e, "mapped_bytes", s->mapped, 0);
	emit_key_real(e, "descriptors", s->descriptors, 0);
	emit_key_unsigned(e, "samples", s->samples);
	json_unreachable(e, m, s);
	put_objects(e, s);
}

/* The heaviest by the kind alone where the options say how many. */
static int choose(const struct model *m, const struct report_options *opt,
		  uint32_t **order, uint32_t *count)
{
	if (opt->top == 0)
		return sites_kept(m, opt->kind, order, count);
	*count = opt->top < m->site_count ? (uint32_t)opt->top : m->site_count;
	*order = sites_ranked(m, opt->kind);
	return *order ? 0 : -ENOMEM;
}

int json_sites(struct emit *e, const struct model *m,
	       const struct report_options *opt)
{
	uint32_t count, *order;
	struct stack stack = { VEC_INIT };
	struct frame_texts ft;
	int rc = frame_texts_init(&ft, m),
	    chosen = choose(m, opt, &order, &count);

	if (rc == 0)
		rc = chosen;
	json_section(e, "sites", '[');
	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		const struct model_site *s = &m->sites[order[i]];

		emit_line(e);
		emit_open(e, '{');
		put_site(e, m, opt, s);
		rc = put_stack(e, m, opt, &ft, &stack, s->node);
		emit_close(e, '}');
	}
	emit_close(e, ']');
	vec_free(&stack.frames);
	frame_texts_fini(&ft);
	free(order);
	return rc;
}
