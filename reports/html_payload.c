#include "reports/html_payload.h"

#include <errno.h>
#include <stdlib.h>

#include "profiler/analysis/diff.h"
#include "profiler/base/buf.h"
#include "profiler/base/intern.h"
#include "reports/base64.h"
#include "reports/columns.h"
#include "reports/diff.h"
#include "reports/emit.h"
#include "reports/gzip.h"
#include "reports/json.h"
#include "reports/names.h"
#include "reports/sites.h"

struct payload {
	const struct model *m;
	const struct report_options *opt;
	struct emit *e;
	struct columns columns;
	struct intern *texts; /* string @i of "strings" is @i here */
};

static bool has_kind(const struct model *m, enum model_kind kind)
{
	for (uint32_t i = 0; i < m->site_count; i++)
		if (model_site_weight(&m->sites[i], kind) > 0)
			return true;
	return false;
}

static bool is_shown(const struct payload *p, int kind)
{
	return kind == (int)p->opt->kind ||
	       has_kind(p->m, (enum model_kind)kind);
}

static void put_kinds(struct payload *p)
{
	json_section(p->e, "kinds", '[');
	for (int k = MODEL_LIVE; k <= MODEL_WALL; k++) {
		if (!is_shown(p, k))
			continue;
		emit_open(p->e, '{');
		emit_key_text(p->e, "name",
			      model_kind_name((enum model_kind)k));
		emit_key_text(p->e, "unit", name_unit((enum model_kind)k));
		emit_key_text(p->e, "weight", name_weight((enum model_kind)k));
		emit_close(p->e, '}');
	}
	emit_close(p->e, ']');
}

static void put_buckets(struct emit *e, const char *key,
			const struct model_latency *l)
{
	emit_key(e, key);
	emit_open(e, '[');
	for (uint32_t i = 0; i < l->bucket_count; i++) {
		emit_open(e, '[');
		emit_real(e, l->buckets[i].low_ms, 4);
		emit_real(e, l->buckets[i].high_ms, 4);
		emit_unsigned(e, l->buckets[i].count);
		emit_close(e, ']');
	}
	emit_close(e, ']');
}

/* One number of each window; nothing where they are not known. */
static void put_by_window(struct payload *p, const char *key,
			  const double *values, unsigned digits)
{
	emit_key(p->e, key);
	emit_open(p->e, '[');
	for (uint32_t w = 0; values && w < p->m->window_count; w++)
		emit_real(p->e, values[w], digits);
	emit_close(p->e, ']');
}

/* What "endpoints" of the JSON report has not, in the same order. */
static void put_timelines(struct payload *p)
{
	struct emit *e = p->e;

	json_section(e, "timelines", '[');
	for (uint32_t i = 0; i < p->m->endpoint_count; i++) {
		const struct model_endpoint *one = &p->m->endpoints[i];

		emit_line(e);
		emit_open(e, '{');
		put_by_window(p, "windows", one->windows, 0);
		put_by_window(p, "mean_ms", one->window_mean_ms, 4);
		put_by_window(p, "max_ms", one->window_max_ms, 4);
		put_buckets(e, "took", &one->took);
		put_buckets(e, "ttfb", &one->ttfb);
		put_buckets(e, "gap", &one->gap);
		put_buckets(e, "queue", &one->queue);
		emit_close(e, '}');
	}
	emit_close(e, ']');
}

/* A string by its number, from 1 on; 0 is none. */
static void put_text(struct payload *p, const char *text)
{
	uint32_t id = text ? intern_id(p->texts, text) : 0;

	if (id == INTERN_NONE)
		p->e->out->failed = true;
	column_put(&p->columns, text ? (uint64_t)id + 1 : 0);
}

static void put_label(struct payload *p, const struct model_frame *f)
{
	struct buf label = BUF_INIT;

	name_put_label(&label, f);
	put_text(p, label.bytes ? label.bytes : "");
	if (label.failed)
		p->e->out->failed = true;
	buf_free(&label);
}

/* A column of one expression over all of an array's elements. */
#define COLUMN(p, name, array, count, it, put)                     \
	do {                                                       \
		column_begin(&(p)->columns, name);                 \
		for (uint32_t i_ = 0; i_ < (count); i_++) {        \
			__typeof__(&(array)[0]) it = &(array)[i_]; \
			put;                                       \
		}                                                  \
		column_end(&(p)->columns);                         \
	} while (0)

static void put_frames(struct payload *p)
{
	struct columns *c = &p->columns;
	const struct model *m = p->m;
	uint32_t count = m->frame_count;

	COLUMN(p, "frame_label", m->frames, count, f, put_label(p, f));
	COLUMN(p, "frame_function", m->frames, count, f,
	       put_text(p, f->function));
	COLUMN(p, "frame_file", m->frames, count, f, put_text(p, f->file));
	COLUMN(p, "frame_module", m->frames, count, f, put_text(p, f->module));
	COLUMN(p, "frame_line", m->frames, count, f, column_put(c, f->line));
	COLUMN(p, "frame_kind", m->frames, count, f, column_put(c, f->kind));
	COLUMN(p, "frame_class", m->frames, count, f,
	       column_put(c, f->module_kind));
}

/* A node's parent is some places before it; 0: it has none. */
static void put_nodes(struct payload *p)
{
	const struct model *m = p->m;

	column_begin(&p->columns, "node_up");
	for (uint32_t i = 0; i < m->node_count; i++)
		column_put(&p->columns, m->nodes[i].parent == MODEL_NONE
						? 0
						: i - m->nodes[i].parent);
	column_end(&p->columns);
	COLUMN(p, "node_frame", m->nodes, m->node_count, n,
	       column_put(&p->columns, n->frame));
}

static void put_blamed(struct payload *p, const struct model_site *s)
{
	uint32_t frame = sites_blamed(p->m, p->opt, s);

	column_put(&p->columns, frame == MODEL_NONE ? 0 : (uint64_t)frame + 1);
}

/* < 0, no scan was made, is 0. */
static void put_unreachable(struct payload *p, const struct model_site *s)
{
	if (s->unreachable.bytes < 0 || p->m->scan_count == 0)
		column_put(&p->columns, 0);
	else
		column_put_real(&p->columns, s->unreachable.bytes + 1);
}

static void put_weights(struct payload *p)
{
	const struct model *m = p->m;

	for (int k = MODEL_LIVE; k <= MODEL_WALL; k++) {
		enum model_kind kind = (enum model_kind)k;

		if (is_shown(p, k))
			COLUMN(p, model_kind_name(kind), m->sites,
			       m->site_count, s,
			       column_put_real(&p->columns,
					       model_site_weight(s, kind)));
	}
}

static void put_sites(struct payload *p)
{
	const struct model_site *sites = p->m->sites;
	uint32_t count = p->m->site_count, before = 0;
	struct columns *c = &p->columns;

	column_begin(c, "site_node");
	for (uint32_t i = 0; i < count; i++) {
		column_put(c, sites[i].node - before);
		before = sites[i].node;
	}
	column_end(c);
	put_weights(p);
	COLUMN(p, "site_blamed", sites, count, s, put_blamed(p, s));
	COLUMN(p, "site_samples", sites, count, s, column_put(c, s->samples));
	COLUMN(p, "site_descriptors", sites, count, s,
	       column_put_real(c, s->descriptors));
	COLUMN(p, "site_unreachable", sites, count, s, put_unreachable(p, s));
	COLUMN(p, "live_count", sites, count, s,
	       column_put_real(c, s->live.count));
	COLUMN(p, "alloc_count", sites, count, s,
	       column_put_real(c, s->allocated.count));
	COLUMN(p, "live_variance", sites, count, s,
	       column_put_real(c, s->live.bytes_variance));
	COLUMN(p, "alloc_variance", sites, count, s,
	       column_put_real(c, s->allocated.bytes_variance));
	COLUMN(p, "peak_variance", sites, count, s,
	       column_put_real(c, s->peak.bytes_variance));
}

/* Every charge of every site, one after another. */
#define CHARGES(p, name, put)                                     \
	COLUMN(                                                   \
		p, name, (p)->m->sites, (p)->m->site_count, s,    \
		for (const struct model_charge *one = s->charges; \
		     one && one < s->charges + s->charge_count;   \
		     one++) { put; })

static void put_charges(struct payload *p)
{
	struct columns *c = &p->columns;

	COLUMN(p, "charge_count", p->m->sites, p->m->site_count, s,
	       column_put(c, s->charge_count));
	CHARGES(p, "charge_route", put_text(p, one->route));
	CHARGES(p, "charge_live", column_put_real(c, one->live));
	CHARGES(p, "charge_alloc", column_put_real(c, one->allocated));
	CHARGES(p, "charge_peak", column_put_real(c, one->peak));
	CHARGES(p, "charge_temporary", column_put_real(c, one->temporary));
}

static void put_site_levels(struct payload *p, const struct model_site *s,
			    bool windows)
{
	double end = 0, rounded;
	uint32_t window = 0;

	for (uint32_t i = 0; i < s->level_count; i++) {
		const struct model_level *l = &s->levels[i];

		rounded = l->end < 0x1p53 ? (double)(int64_t)l->end : 0;
		if (windows)
			column_put(&p->columns, l->window - window);
		else
			column_put_signed(&p->columns,
					  (int64_t)(rounded - end));
		window = l->window;
		end = rounded;
	}
}

/* What changed in which windows; @end as the difference to the one before. */
static void put_levels(struct payload *p)
{
	const struct model_site *sites = p->m->sites;
	uint32_t count = p->m->site_count;

	COLUMN(p, "level_count", sites, count, s,
	       column_put(&p->columns, s->level_count));
	COLUMN(p, "level_window", sites, count, s, put_site_levels(p, s, true));
	COLUMN(p, "level_end", sites, count, s, put_site_levels(p, s, false));
	COLUMN(p, "level_alloc", sites, count, s,
	       for (uint32_t i = 0; i < s->level_count; i++)
		       column_put_real(&p->columns, s->levels[i].allocated));
}

/* After the columns, which use them. */
static void put_strings(struct payload *p)
{
	json_section(p->e, "strings", '[');
	for (uint32_t i = 0; i < intern_count(p->texts); i++)
		emit_text(p->e, intern_text(p->texts, i));
	emit_close(p->e, ']');
}

static int put_json(struct payload *p, const struct diff *diff)
{
	struct emit *e = p->e;
	int rc;

	emit_open(e, '{');
	rc = json_before_sites(e, p->m, p->opt);
	json_after_sites(e, p->m);
	if (diff) {
		emit_line(e);
		emit_key(e, "diff");
		diff_json_value(e, diff);
	}
	put_kinds(p);
	put_timelines(p);
	columns_begin(&p->columns, e);
	put_frames(p);
	put_nodes(p);
	put_sites(p);
	put_charges(p);
	put_levels(p);
	columns_end(&p->columns);
	put_strings(p);
	emit_close(e, '}');
	return rc < 0 ? rc : buf_status(e->out);
}

static int put_stream(const struct buf *json, const struct buf *columns,
		      struct buf *out)
{
	struct buf packed = BUF_INIT;
	struct gzip *gz = gzip_new(&packed);
	unsigned char len[4];
	int rc;

	if (!gz)
		return -ENOMEM;
	for (int i = 0; i < 4; i++)
		len[i] = (unsigned char)(json->len >> 8 * i);
	gzip_write(gz, len, sizeof(len));
	gzip_write(gz, json->bytes, json->len);
	gzip_write(gz, columns->bytes, columns->len);
	gzip_free(gz);
	rc = buf_status(&packed);
	if (rc == 0)
		base64_put(out, packed.bytes, packed.len);
	buf_free(&packed);
	return rc < 0 ? rc : buf_status(out);
}

int html_payload(const struct model *m, const struct report_options *opt,
		 const struct diff *diff, struct buf *out)
{
	struct buf json = BUF_INIT;
	struct emit e = { .out = &json };
	struct payload p = { .m = m, .opt = opt, .e = &e };
	int rc = -ENOMEM;

	p.texts = intern_new();
	if (p.texts)
		rc = put_json(&p, diff);
	if (rc == 0)
		rc = buf_status(&p.columns.bytes);
	if (rc == 0)
		rc = put_stream(&json, &p.columns.bytes, out);
	intern_free(p.texts);
	buf_free(&json);
	buf_free(&p.columns.bytes);
	return rc;
}
