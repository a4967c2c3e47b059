/*
 * speedscope: the file format of https://www.speedscope.app, one file with a
 * profile for each kind that weighs something.
 *
 * A profile is "sampled": stacks of indices into the shared table of frames,
 * root first, and what each weighs in whole bytes or nanoseconds.  The stacks
 * are those of the folded report and in its order, so equal models give equal
 * bytes.  The profile that was asked for is the one shown first.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/intern.h"
#include "profiler/base/vec.h"
#include "reports/emit.h"
#include "reports/flame.h"
#include "reports/formats.h"
#include "reports/names.h"

struct speedscope {
	struct emit e;
	const struct model *m;
	struct intern *frames; /* frames as they are written, by index */
	VEC(uint32_t) path;    /* of the stack down to a node */
	VEC(double) weights;   /* of the profile being written */
	unsigned profiles;
	unsigned active; /* which of them was asked for */
};

/* The frame of @n as an object of the shared table. */
static void put_frame(struct buf *out, const struct model *m,
		      const struct flame_node *n)
{
	const struct model_frame *f = &m->frames[n->frame];
	struct emit e = { .out = out };

	emit_open(&e, '{');
	emit_key_text(&e, "name", n->label);
	if (f->file)
		emit_key_text(&e, "file", f->file);
	else if (f->module[0])
		emit_key_text(&e, "file", f->module);
	if (f->file && n->line > 0)
		emit_key_unsigned(&e, "line", n->line);
	emit_close(&e, '}');
}

/* The index of the frame of @n, or INTERN_NONE when out of memory. */
static uint32_t frame_index(struct speedscope *s, const struct flame_node *n)
{
	struct buf text = BUF_INIT;
	uint32_t index = INTERN_NONE;

	put_frame(&text, s->m, n);
	if (buf_status(&text) == 0)
		index = intern_id_len(s->frames, text.bytes, text.len);
	buf_free(&text);
	return index;
}

static int put_samples(struct speedscope *s, const struct flame *flame)
{
	const struct flame_node *nodes;
	struct emit *e = &s->e;
	size_t count;

	nodes = flame_nodes(flame, &count);
	s->weights.count = 0;
	for (size_t i = 1; i < count; i++) {
		uint32_t *step;
		double *weight;

		s->path.count = nodes[i].depth - 1;
		step = vec_push(&s->path);
		if (!step)
			return -ENOMEM;
		*step = frame_index(s, &nodes[i]);
		if (*step == INTERN_NONE)
			return -ENOMEM;
		if (llround(nodes[i].self) <= 0)
			continue;
		weight = vec_push(&s->weights);
		if (!weight)
			return -ENOMEM;
		*weight = round(nodes[i].self);
		emit_line(e);
		emit_open(e, '[');
		vec_foreach (&s->path, step)
			emit_unsigned(e, *step);
		emit_close(e, ']');
	}
	return 0;
}

static int put_profile(struct speedscope *s, enum model_kind kind,
		       const struct flame *flame)
{
	struct emit *e = &s->e;
	double *weight, total = 0;
	int rc;

	emit_line(e);
	emit_open(e, '{');
	emit_key_text(e, "type", "sampled");
	emit_key_text(e, "name", name_weight(kind));
	emit_key_text(e, "unit",
		      strcmp(name_unit(kind), "ns") ? "bytes" : "nanoseconds");
	emit_key_integer(e, "startValue", 0);
	emit_key(e, "samples");
	emit_open(e, '[');
	rc = put_samples(s, flame);
	emit_close(e, ']');
	emit_line(e);
	emit_key(e, "weights");
	emit_open(e, '[');
	vec_foreach (&s->weights, weight) {
		emit_real(e, *weight, 0);
		total += *weight;
	}
	emit_close(e, ']');
	emit_key_real(e, "endValue", total, 0);
	emit_close(e, '}');
	s->profiles++;
	return rc;
}

/* A kind of no weight is left out, unless it was asked for. */
static int put_kind(struct speedscope *s, const struct report_options *asked,
		    enum model_kind kind)
{
	struct report_options opt = *asked;
	const struct flame_node *nodes;
	struct flame *flame;
	size_t count;
	int rc;

	opt.kind = kind;
	rc = flame_new(&flame, s->m, &opt, FLAME_BY_MODULE);
	if (rc < 0)
		return rc;
	nodes = flame_nodes(flame, &count);
	if (kind == asked->kind)
		s->active = s->profiles;
	if (kind == asked->kind || llround(nodes[0].total) > 0)
		rc = put_profile(s, kind, flame);
	flame_free(flame);
	return rc;
}

static int put_profiles(struct speedscope *s, const struct report_options *opt)
{
	static const enum model_kind kinds[] = {
		MODEL_LIVE,	 MODEL_ALLOC,  MODEL_PEAK,
		MODEL_TEMPORARY, MODEL_LEAK,   MODEL_RSS,
		MODEL_CPU,	 MODEL_OFFCPU, MODEL_WALL,
	};
	int rc = 0;

	emit_line(&s->e);
	emit_key(&s->e, "profiles");
	emit_open(&s->e, '[');
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && rc == 0; i++)
		rc = put_kind(s, opt, kinds[i]);
	emit_close(&s->e, ']');
	return rc;
}

static void put_shared(struct speedscope *s)
{
	struct emit *e = &s->e;

	emit_line(e);
	emit_key(e, "shared");
	emit_open(e, '{');
	emit_key(e, "frames");
	emit_open(e, '[');
	for (uint32_t i = 0; i < intern_count(s->frames); i++) {
		const char *frame = intern_text(s->frames, i);

		emit_line(e);
		emit_raw(e, frame, strlen(frame));
	}
	emit_close(e, ']');
	emit_close(e, '}');
}

int report_speedscope(const struct model *m, const struct report_options *opt,
		      struct buf *out)
{
	struct speedscope s = { .e = { .out = out },
				.m = m,
				.frames = intern_new() };
	int rc = s.frames ? 0 : -ENOMEM;

	if (rc == 0) {
		emit_open(&s.e, '{');
		emit_key_text(&s.e, "$schema",
			      "https://www.speedscope.app/"
			      "file-format-schema.json");
		emit_key_text(&s.e, "name", m->name);
		emit_key_text(&s.e, "exporter", "strandline");
		rc = put_profiles(&s, opt);
		emit_key_unsigned(&s.e, "activeProfileIndex", s.active);
		put_shared(&s);
		emit_close(&s.e, '}');
		buf_putc(out, '\n');
	}
	intern_free(s.frames);
	vec_free(&s.path);
	vec_free(&s.weights);
	return rc < 0 ? rc : buf_status(out);
}
