#include "profiler/model/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/err.h"
#include "profiler/base/vec.h"
#include "profiler/model/imported.h"
#include "profiler/model/wrappers.h"

double build_seconds(const struct trace_view *v, uint64_t monotonic_ns)
{
	uint64_t start = v->meta.start_monotonic_ns;

	if (!start && v->image_count)
		start = v->images[0].header.start_monotonic_ns;
	return (double)(int64_t)(monotonic_ns - start) / 1e9;
}

static void sum_into(struct estimate *to, const struct fold_sum *from)
{
	to->bytes += from->bytes;
	to->bytes_variance += from->bytes_variance;
	to->count += from->count;
	to->count_variance += from->count_variance;
}

static void build_totals(struct model *m, const struct trace_view *v)
{
	double highest = 0;

	for (size_t i = 0; i < v->image_count; i++) {
		const struct fold_result *r = &v->images[i].result;

		sum_into(&m->totals.live, &r->live);
		sum_into(&m->totals.allocated, &r->allocated);
		sum_into(&m->totals.peak, &r->peak);
		if (r->peak.bytes > highest) {
			highest = r->peak.bytes;
			m->totals.peak_t = build_seconds(v, r->peak_ns);
		}
		sum_into(&m->totals.temporary, &r->temporary);
		m->totals.records += r->records;
		m->totals.allocations += r->allocations;
		m->totals.releases += r->releases;
		m->totals.inherited_releases += r->inherited_releases;
		if (r->mean_bytes > m->mean_bytes)
			m->mean_bytes = r->mean_bytes;
	}
}

static double last_second(const struct trace_view *v)
{
	double last = 0, t;

	for (size_t i = 0; i < v->image_count; i++) {
		t = build_seconds(v, v->images[i].result.last_ns);
		if (t > last)
			last = t;
		t = build_seconds(v, v->images[i].header.ended_monotonic_ns);
		if (v->images[i].header.ended_monotonic_ns && t > last)
			last = t;
	}
	for (size_t i = 0; i < v->ledger_count; i++) {
		t = build_seconds(v, v->ledger[i].at_ns);
		if (t > last)
			last = t;
	}
	return last;
}

static const char *text_or(struct model *m, const char *text,
			   const char *otherwise)
{
	return model_string(m, text ? text : otherwise);
}

/* The recorder's, where there is one: probes may have looked on beside it. */
static const char *mode_of(const struct trace_view *v)
{
	for (size_t i = 0; i < v->image_count; i++)
		if (!v->images[i].probed)
			return v->images[i].header.control.mode ==
					       SLAB_MODE_EXACT
				       ? "exact"
				       : "sample";
	return "probes";
}

/* "3.11.2", of 0x030b02f0; NULL where no Python ran. */
static const char *python_of(struct model *m, const struct trace_view *v)
{
	char text[16];

	for (size_t i = 0; i < v->image_count; i++) {
		const struct trace_image *im = &v->images[i];
		uint32_t version =
			im->code_count ? im->codes[0].python_version : 0;

		if (!version)
			continue;
		snprintf(text, sizeof(text), "%u.%u.%u", version >> 24,
			 version >> 16 & 0xff, version >> 8 & 0xff);
		return model_string(m, text);
	}
	return NULL;
}

static int build_head(struct model *m, const struct trace_view *v)
{
	const struct trace_image *first = &v->images[0];
	char name[256];
	const char *slash;
	size_t len = strlen(v->path);

	while (len > 1 && v->path[len - 1] == '/')
		len--;
	snprintf(name, sizeof(name), "%.*s", (int)len, v->path);
	slash = strrchr(name, '/');
	m->path = model_string(m, v->path);
	m->name = model_string(m, slash ? slash + 1 : name);
	m->command = text_or(m, v->meta.command, m->processes[0].command);
	m->host = text_or(m, v->meta.host, "");
	m->kernel = text_or(m, v->meta.kernel, "");
	m->version = text_or(m, v->meta.version, first->header.version);
	m->mode = model_string(m, mode_of(v));
	m->python = python_of(m, v);
	for (size_t i = 0; i < v->image_count; i++) {
		m->headless |= v->images[i].headless;
		m->probed |= v->images[i].probed;
	}
	m->processors = v->meta.processors;
	m->memory_bytes = v->meta.memory_bytes;
	if (v->meta.processor)
		m->processor = model_string(m, v->meta.processor);
	if (v->meta.system)
		m->system = model_string(m, v->meta.system);
	m->start_unix_ns = v->meta.start_realtime_ns
				   ? v->meta.start_realtime_ns
				   : first->header.start_realtime_ns;
	return m->path && m->name && m->command && m->host && m->kernel &&
			       m->version && m->mode
		       ? 0
		       : -ENOMEM;
}

static int build_marks(struct model *m, const struct trace_view *v)
{
	m->marks = calloc(v->mark_count + 1, sizeof(*m->marks));
	if (!m->marks)
		return -ENOMEM;
	for (size_t i = 0; i < v->mark_count; i++) {
		m->marks[i].t = build_seconds(v, v->marks[i].at_ns);
		m->marks[i].label = model_string(m, v->marks[i].label);
		if (!m->marks[i].label)
			return -ENOMEM;
	}
	m->mark_count = (uint32_t)v->mark_count;
	return 0;
}

/* "cpu.ring_full": what probes could not keep. */
static int build_counters(struct model *m, const struct trace_view *v)
{
	for (size_t i = 0; i < v->counter_count; i++) {
		const struct trace_counter *c = &v->counters[i];
		struct model_loss *l = &m->losses[m->loss_count++];
		char name[128];

		snprintf(name, sizeof(name), "%s.%s", c->probe, c->reason);
		l->reason = model_string(m, name);
		l->count = c->count;
		if (!l->reason)
			return -ENOMEM;
	}
	return 0;
}

static int build_losses(struct model *m, const struct trace_view *v)
{
	uint64_t torn = v->host_torn;
	struct model_loss *l;

	m->losses = calloc(DROP_NREASONS + 1 + v->counter_count,
			   sizeof(*m->losses));
	if (!m->losses)
		return -ENOMEM;
	for (int r = 0; r < DROP_NREASONS; r++) {
		const char *name = slab_drop_name((enum slab_drop)r);

		if (!name)
			continue;
		l = &m->losses[m->loss_count++];
		l->reason = name;
		for (size_t i = 0; i < v->image_count; i++)
			l->count += v->images[i].header.stats.drops[r];
	}
	for (size_t i = 0; i < v->image_count; i++)
		torn += v->images[i].result.torn_slabs;
	m->losses[m->loss_count++] = (struct model_loss) { "torn_slabs", torn };
	return build_counters(m, v);
}

/* Interpreters whose frames are not in the stacks. */
static int build_pythons(struct model *m, const struct trace_view *v)
{
	for (size_t i = 0; i < v->image_count; i++) {
		const struct trace_image *im = &v->images[i];
		const char *reason = im->python.reason;
		const char *slash = strrchr(im->header.exe, '/');
		char text[512];

		if (!reason || !reason[0])
			continue;
		snprintf(text, sizeof(text),
			 "%s: Python frames are not shown: %s",
			 slash ? slash + 1 : im->header.exe, reason);
		if (build_problem(m, text) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* From when on blocks were not watched any more, and why. */
static int build_heap_off(struct model *m, const struct trace_view *v)
{
	for (size_t i = 0; i < v->option_count; i++) {
		const char *why = v->options[i].value;

		if (strcmp(v->options[i].name, "heap_off") != 0)
			continue;
		m->heap_off = model_string(m, why);
		if (!m->heap_off || build_problem(m, why) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int build_sites(struct model *m, const struct trace_view *v,
		       struct symtab *st)
{
	struct build_part *parts;
	size_t count;
	int rc = build_stacks(m, v, st, &parts, &count);

	if (rc == 0)
		rc = build_levels(m, v, parts, count);
	if (rc == 0)
		rc = build_charges(m, v, parts, count);
	if (rc == 0)
		rc = build_makers(m, v, parts, count);
	if (rc == 0)
		rc = build_reach(m, v, parts, count);
	if (rc == 0)
		rc = build_objects(m, v, parts, count);
	if (rc == 0)
		rc = wrappers_mark(m);
	free(parts);
	return rc;
}

static int build_all(struct model *m, const struct trace_view *v,
		     struct symtab *st)
{
	int rc;

	m->duration = last_second(v);
	build_totals(m, v);
	rc = build_processes(m, v);
	/* Children that leave by _exit are nobody's concern. */
	if (m->main_process != MODEL_NONE)
		m->torn = v->images[m->main_process].torn;
	if (rc == 0)
		rc = build_head(m, v);
	if (rc == 0)
		rc = build_windows(m, v);
	if (rc == 0)
		rc = build_sites(m, v, st);
	if (rc == 0)
		rc = build_patches(m, v);
	if (rc == 0)
		rc = build_pythons(m, v);
	if (rc == 0)
		rc = build_heap_off(m, v);
	if (rc == 0)
		rc = build_ledger(m, v);
	if (rc == 0)
		rc = build_endpoints(m, v);
	if (rc == 0)
		rc = build_modules(m, v);
	if (rc == 0)
		rc = build_spans(m, v);
	if (rc == 0)
		rc = build_handlers(m, v);
	if (rc == 0)
		rc = build_slow(m, v);
	if (rc == 0)
		rc = build_threads(m, v);
	if (rc == 0)
		rc = build_marks(m, v);
	if (rc == 0)
		rc = build_losses(m, v);
	if (rc == 0)
		rc = build_problems(m, v);
	if (rc == 0)
		rc = build_unseen(m, v);
	if (rc == 0)
		rc = build_cost(m, v);
	return rc;
}

static int load(struct model **out, const char *recording, enum model_view view,
		bool save, struct err *err)
{
	struct trace *t;
	struct symtab *st = symtab_new("");
	struct model *m = model_new();
	char *symbols = NULL;
	int rc;

	*out = NULL;
	if (import_is_file(recording)) {
		rc = imported_load(out, recording, err);
		goto free_model;
	}
	rc = trace_open(&t, recording, err);
	if (rc < 0)
		goto free_model;
	if (!st || !m || asprintf(&symbols, "%s/symbols", recording) < 0) {
		rc = err_set(err, -ENOMEM, "out of memory");
		goto close_trace;
	}
	rc = symtab_load(st, symbols, err);
	if (rc == -ENOENT)
		rc = 0;
	if (rc < 0)
		goto close_trace;
	m->view = view;
	rc = build_all(m, trace_view(t), st);
	if (rc < 0)
		err_set(err, rc, "out of memory reading %s", recording);
	else if (save)
		rc = symtab_save(st, symbols, err);
	if (rc == 0) {
		*out = m;
		m = NULL;
	}
close_trace:
	free(symbols);
	trace_close(t);
free_model:
	model_free(m);
	symtab_free(st);
	return rc;
}

int model_load(struct model **out, const char *recording, struct err *err)
{
	return load(out, recording, MODEL_VIEW_MIXED, false, err);
}

int model_load_view(struct model **out, const char *recording,
		    enum model_view view, struct err *err)
{
	return load(out, recording, view, false, err);
}

int model_load_naming(struct model **out, const char *recording,
		      struct err *err)
{
	return load(out, recording, MODEL_VIEW_MIXED, true, err);
}

int model_save_symbols(const char *recording, struct err *err)
{
	struct model *m;
	int rc = load(&m, recording, MODEL_VIEW_MIXED, true, err);

	model_free(m);
	return rc;
}
