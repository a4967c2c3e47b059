/*
 * pprof: the format of Google's and Go's pprof, gzipped, for them and for the
 * stores that take it.
 *
 * Its sample types are those that its users expect of a heap: objects and
 * bytes, allocated and in use.  A kind that is neither (peak, temporary, ...)
 * comes as one more.  Values are estimates for the whole target already, so
 * nothing is left to scale.  What a site did for the requests of an endpoint,
 * and what each thread did of it, is a sample of its own, with labels.  What
 * the model does not know is left out: addresses, and so where a module was
 * mapped.
 *
 * The file is written in pieces, each a Profile of one element: repeated
 * fields of messages that stand one behind the other add up to one message,
 * so no more than one element is ever held in the generated structs.  Sites
 * come heaviest first and ids count up as things are first met, so equal
 * models give equal bytes.
 */
#include <errno.h>
#include <math.h>
#include <profile.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/hash.h"
#include "profiler/base/intern.h"
#include "profiler/base/vec.h"
#include "reports/formats.h"
#include "reports/gzip.h"
#include "reports/names.h"
#include "reports/sites.h"
#include "reports/utf8.h"

#define MOST_VALUES 5

/*
 * A frame and those it is inlined into: what pprof calls a location.  Chains
 * share their outer ends.
 */
struct chain {
	uint32_t outer;	   /* index of a chain, MODEL_NONE: not inlined */
	uint32_t frame;	   /* MODEL_NONE: all were hidden */
	uint64_t location; /* its id; 0: no stack has it yet */
};

struct function {
	uint32_t name, file; /* in the string table */
};

struct pprof {
	const struct model *m;
	const struct report_options *opt;
	struct gzip *gz;
	VEC(uint8_t) packed;	/* a piece */
	struct intern *strings; /* id 0 is "" */
	VEC(struct chain) chains;
	struct hash *chain_of;		/* outer + 1 << 32 | frame -> index */
	uint32_t *node_chains;		/* of each node; MODEL_NONE: hidden */
	VEC(uint32_t) locations;	/* chains by location id - 1 */
	VEC(struct function) functions; /* by id - 1 */
	struct hash *function_of;	/* name << 32 | file -> index */
	VEC(uint32_t) mappings;		/* file names by id - 1 */
	struct hash *mapping_of;	/* file name -> index */
	VEC(uint64_t) stack;		/* location ids of a site, leaf first */
	VEC(Pprof__Line) lines;		/* of a location */
	bool failed;
};

static void put_piece(struct pprof *p, const Pprof__Profile *piece)
{
	size_t len = pprof__profile__get_packed_size(piece);

	if (vec_reserve(&p->packed, len) < 0) {
		p->failed = true;
		return;
	}
	pprof__profile__pack(piece, p->packed.at);
	gzip_write(p->gz, p->packed.at, len);
}

/* The index of @text in the string table, cleaned for a terminal. */
static uint32_t string_of(struct pprof *p, const char *text)
{
	struct buf clean = BUF_INIT;
	uint32_t c, id = INTERN_NONE;

	while (*text) {
		text += utf8_next(text, &c);
		utf8_put(&clean, utf8_is_control(c) ? '_' : c);
	}
	if (buf_status(&clean) == 0)
		id = intern_id(p->strings, clean.len ? clean.bytes : "");
	buf_free(&clean);
	if (id != INTERN_NONE)
		return id;
	p->failed = true;
	return 0;
}

static uint32_t function_string(struct pprof *p, const struct model_frame *f)
{
	struct buf name = BUF_INIT;
	uint32_t id;

	name_put_function(&name, f);
	p->failed |= name.failed;
	id = string_of(p, name.len ? name.bytes : "?");
	buf_free(&name);
	return id;
}

/* The id of the function that @name names in @file. */
static uint64_t function_id(struct pprof *p, uint32_t name, uint32_t file)
{
	uint64_t key = (uint64_t)name << 32 | file;
	uint64_t *known = hash_find(p->function_of, key);
	struct function *f;

	if (known)
		return *known + 1;
	f = vec_push(&p->functions);
	if (!f || hash_set(p->function_of, key, p->functions.count - 1) < 0) {
		p->failed = true;
		return 1;
	}
	*f = (struct function) { .name = name, .file = file };
	return p->functions.count;
}

/* The id of the mapping of @module; 0, none, for "". */
static uint64_t mapping_id(struct pprof *p, const char *module)
{
	uint32_t name = string_of(p, module), *fresh;
	uint64_t *known = hash_find(p->mapping_of, name);

	if (name == 0)
		return 0;
	if (known)
		return *known + 1;
	fresh = vec_push(&p->mappings);
	if (!fresh ||
	    hash_set(p->mapping_of, name, p->mappings.count - 1) < 0) {
		p->failed = true;
		return 0;
	}
	*fresh = name;
	return p->mappings.count;
}

static uint32_t chain_of(struct pprof *p, uint32_t outer, uint32_t frame)
{
	uint64_t key = (uint64_t)(outer + 1) << 32 | frame;
	uint64_t *known = hash_find(p->chain_of, key);
	struct chain *fresh;

	if (known)
		return (uint32_t)*known;
	fresh = vec_push(&p->chains);
	if (!fresh || hash_set(p->chain_of, key, p->chains.count - 1) < 0) {
		p->failed = true;
		return MODEL_NONE;
	}
	*fresh = (struct chain) { .outer = outer, .frame = frame };
	return (uint32_t)p->chains.count - 1;
}

static void chain_nodes(struct pprof *p)
{
	const struct model *m = p->m;

	for (uint32_t i = 0; i < m->node_count && !p->failed; i++) {
		const struct model_node *n = &m->nodes[i];
		const struct model_frame *f = &m->frames[n->frame];
		uint32_t outer = MODEL_NONE;

		if (f->inlined && n->parent != MODEL_NONE)
			outer = p->node_chains[n->parent];
		p->node_chains[i] = report_hides(p->opt, f)
					    ? MODEL_NONE
					    : chain_of(p, outer, n->frame);
	}
}

static void push_location(struct pprof *p, uint32_t chain)
{
	struct chain *c = &p->chains.at[chain];
	uint64_t *step = vec_push(&p->stack);
	uint32_t *fresh;

	if (!c->location) {
		fresh = vec_push(&p->locations);
		if (!fresh) {
			p->failed = true;
			return;
		}
		*fresh = chain;
		c->location = p->locations.count;
	}
	if (step)
		*step = c->location;
	else
		p->failed = true;
}

static void collect_stack(struct pprof *p, uint32_t node)
{
	uint32_t hidden;

	p->stack.count = 0;
	while (node != MODEL_NONE && !p->failed) {
		uint32_t chain = p->node_chains[node];

		if (chain != MODEL_NONE)
			push_location(p, chain);
		/* What it is inlined into is in its location already. */
		while (chain != MODEL_NONE &&
		       p->chains.at[chain].outer != MODEL_NONE) {
			chain = p->chains.at[chain].outer;
			node = p->m->nodes[node].parent;
		}
		node = p->m->nodes[node].parent;
	}
	if (p->stack.count > 0 || p->failed)
		return;
	hidden = chain_of(p, MODEL_NONE, MODEL_NONE);
	if (hidden != MODEL_NONE)
		push_location(p, hidden);
}

static bool is_of_its_own(enum model_kind kind)
{
	return kind != MODEL_LIVE && kind != MODEL_ALLOC;
}

static size_t value_count(const struct pprof *p)
{
	return is_of_its_own(p->opt->kind) ? 5 : 4;
}

static bool weighs(const struct pprof *p, const int64_t *values)
{
	for (size_t i = 0; i < value_count(p); i++)
		if (values[i] != 0)
			return true;
	return false;
}

/* "uvicorn (4242)", or without its parts that are not known. */
static uint32_t thread_string(struct pprof *p, const struct model_thread *t)
{
	struct buf text = BUF_INIT;
	uint32_t id = 0;

	if (t->name && t->name[0])
		buf_printf(&text, "%s (%d)", t->name, t->tid);
	else
		buf_printf(&text, "%d", t->tid);
	if (buf_status(&text) == 0)
		id = string_of(p, text.bytes);
	else
		p->failed = true;
	buf_free(&text);
	return id;
}

/*
 * The stack stands in p->stack.  @route and @thread are NULL where it is not
 * for one.
 */
static void put_sample(struct pprof *p, int64_t *values, const char *route,
		       const struct model_thread *thread)
{
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	Pprof__Sample sample = PPROF__SAMPLE__INIT, *samples = &sample;
	Pprof__Label label[2] = { PPROF__LABEL__INIT, PPROF__LABEL__INIT };
	Pprof__Label *labels[2] = { &label[0], &label[1] };

	if (!weighs(p, values))
		return;
	sample.label = labels;
	if (route) {
		label[0].key = string_of(p, "endpoint");
		label[0].str = string_of(p, route);
		sample.n_label = 1;
	}
	if (thread) {
		label[sample.n_label].key = string_of(p, "thread");
		label[sample.n_label].str = thread_string(p, thread);
		sample.n_label++;
	}
	sample.n_location_id = p->stack.count;
	sample.location_id = p->stack.at;
	sample.n_value = value_count(p);
	sample.value = values;
	piece.n_sample = 1;
	piece.sample = &samples;
	if (!p->failed)
		put_piece(p, &piece);
}

static double share(double part, double all)
{
	return all > 0 ? fmin(part / all, 1) : 0;
}

/* Of @s's weight under the kind that was asked for, that of @c. */
static double charged(const struct pprof *p, const struct model_site *s,
		      const struct model_charge *c)
{
	switch (p->opt->kind) {
	case MODEL_PEAK:
		return c->peak;
	case MODEL_TEMPORARY:
		return c->temporary;
	case MODEL_LEAK:
		return s->leaked * share(c->live, s->live.bytes);
	default:
		return 0;
	}
}

/* Take @part from @left, no more than there is. */
static int64_t taken(int64_t *left, double part)
{
	int64_t value = llround(part);

	if (value > *left)
		value = *left;
	*left -= value;
	return value;
}

static bool is_route(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Of what is @left of @s for @route, what is known of each thread. */
static void put_makers(struct pprof *p, const struct model_site *s,
		       const char *route, int64_t *left)
{
	bool leaks = p->opt->kind == MODEL_LEAK;

	for (uint32_t i = 0; i < s->maker_count && !p->failed; i++) {
		const struct model_maker *k = &s->makers[i];
		double leaked = leaks ? share(k->live, s->live.bytes) : 0;
		int64_t values[MOST_VALUES];

		if (k->thread >= p->m->thread_count ||
		    !is_route(k->route, route))
			continue;
		values[0] = taken(&left[0], k->allocated_count);
		values[1] = taken(&left[1], k->allocated);
		values[2] = taken(&left[2], k->live_count);
		values[3] = taken(&left[3], k->live);
		values[4] = taken(&left[4], s->leaked * leaked);
		put_sample(p, values, route, &p->m->threads[k->thread]);
	}
}

static void put_site(struct pprof *p, const struct model_site *s)
{
	int64_t left[MOST_VALUES] = {
		llround(s->allocated.count),
		llround(s->allocated.bytes),
		llround(s->live.count),
		llround(s->live.bytes),
		llround(model_site_weight(s, p->opt->kind)),
	};

	if (!weighs(p, left))
		return;
	collect_stack(p, s->node);
	for (uint32_t i = 0; i < s->charge_count && !p->failed; i++) {
		const struct model_charge *c = &s->charges[i];
		double made = share(c->allocated, s->allocated.bytes);
		double live = share(c->live, s->live.bytes);
		int64_t values[MOST_VALUES] = {
			taken(&left[0], s->allocated.count * made),
			taken(&left[1], c->allocated),
			taken(&left[2], s->live.count * live),
			taken(&left[3], c->live),
			taken(&left[4], charged(p, s, c)),
		};

		put_makers(p, s, c->route, values);
		put_sample(p, values, c->route, NULL);
	}
	put_makers(p, s, NULL, left);
	if (!p->failed)
		put_sample(p, left, NULL, NULL);
}

static void put_samples(struct pprof *p)
{
	uint32_t *order = sites_ranked(p->m, p->opt->kind);

	if (!order)
		p->failed = true;
	for (uint32_t i = 0; i < p->m->site_count && !p->failed; i++)
		put_site(p, &p->m->sites[order[i]]);
	free(order);
}

static void add_line(struct pprof *p, uint32_t frame)
{
	static const struct model_frame hidden = { .function = "[hidden]",
						   .module = "" };
	const struct model_frame *f =
		frame == MODEL_NONE ? &hidden : &p->m->frames[frame];
	Pprof__Line *line = vec_push(&p->lines);

	if (!line) {
		p->failed = true;
		return;
	}
	pprof__line__init(line);
	line->function_id = function_id(p, function_string(p, f),
					f->file ? string_of(p, f->file) : 0);
	line->line = f->line;
}

/* A Python frame's module is its source; it is no mapping. */
static uint64_t frame_mapping(struct pprof *p, uint32_t frame)
{
	const struct model_frame *f = &p->m->frames[frame];

	return f->kind == FRAME_PYTHON ? 0 : mapping_id(p, f->module);
}

static void put_location(struct pprof *p, const struct chain *c)
{
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	Pprof__Location location = PPROF__LOCATION__INIT;
	Pprof__Location *locations = &location;
	Pprof__Line **lines;

	location.id = c->location;
	if (c->frame != MODEL_NONE)
		location.mapping_id = frame_mapping(p, c->frame);
	p->lines.count = 0;
	add_line(p, c->frame);
	while (c->outer != MODEL_NONE) {
		c = &p->chains.at[c->outer];
		add_line(p, c->frame);
	}
	lines = malloc((p->lines.count + 1) * sizeof(*lines));
	if (!lines || p->failed) {
		p->failed = true;
		free(lines);
		return;
	}
	for (size_t i = 0; i < p->lines.count; i++)
		lines[i] = &p->lines.at[i];
	location.n_line = p->lines.count;
	location.line = lines;
	piece.n_location = 1;
	piece.location = &locations;
	put_piece(p, &piece);
	free(lines);
}

/*
 * Without system_name, the name before demangling: where it equals the name,
 * pprof cuts parameters and templates off.
 */
static void put_functions(struct pprof *p)
{
	for (size_t i = 0; i < p->functions.count; i++) {
		Pprof__Profile piece = PPROF__PROFILE__INIT;
		Pprof__Function function = PPROF__FUNCTION__INIT;
		Pprof__Function *functions = &function;

		function.id = i + 1;
		function.name = p->functions.at[i].name;
		function.filename = p->functions.at[i].file;
		piece.n_function = 1;
		piece.function = &functions;
		put_piece(p, &piece);
	}
}

static int by_path(const void *path, const void *module)
{
	return strcmp(path, ((const struct model_module *)module)->path);
}

/* The string of the build-id of the file @path; 0, "", for none. */
static uint32_t build_id_of(struct pprof *p, const char *path)
{
	const struct model *m = p->m;
	const struct model_module *found = NULL;

	if (m->module_count)
		found = bsearch(path, m->modules, m->module_count,
				sizeof(*m->modules), by_path);
	return found && found->build_id ? string_of(p, found->build_id) : 0;
}

/* All that is to be known is there: nobody need look for symbols. */
static void put_mappings(struct pprof *p)
{
	for (size_t i = 0; i < p->mappings.count; i++) {
		Pprof__Profile piece = PPROF__PROFILE__INIT;
		Pprof__Mapping mapping = PPROF__MAPPING__INIT;
		Pprof__Mapping *mappings = &mapping;

		mapping.id = i + 1;
		mapping.filename = p->mappings.at[i];
		mapping.build_id =
			build_id_of(p,
				    intern_text(p->strings, p->mappings.at[i]));
		mapping.has_functions = true;
		mapping.has_filenames = true;
		mapping.has_line_numbers = true;
		mapping.has_inline_frames = true;
		piece.n_mapping = 1;
		piece.mapping = &mappings;
		put_piece(p, &piece);
	}
}

static void put_strings(struct pprof *p)
{
	for (uint32_t i = 0; i < intern_count(p->strings); i++) {
		Pprof__Profile piece = PPROF__PROFILE__INIT;
		char *text = (char *)intern_text(p->strings, i);

		piece.n_string_table = 1;
		piece.string_table = &text;
		put_piece(p, &piece);
	}
}

static void put_type(struct pprof *p, const char *type, const char *unit)
{
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	Pprof__ValueType value = PPROF__VALUE_TYPE__INIT, *values = &value;

	value.type = string_of(p, type);
	value.unit = string_of(p, unit);
	piece.n_sample_type = 1;
	piece.sample_type = &values;
	put_piece(p, &piece);
}

static void put_types(struct pprof *p)
{
	enum model_kind kind = p->opt->kind;
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	bool time = strcmp(name_unit(kind), "ns") == 0;
	struct buf own = BUF_INIT;

	put_type(p, "alloc_objects", "count");
	put_type(p, "alloc_space", "bytes");
	put_type(p, "inuse_objects", "count");
	put_type(p, "inuse_space", "bytes");
	buf_printf(&own, "%s%s", model_kind_name(kind), time ? "" : "_space");
	if (buf_status(&own) < 0) {
		p->failed = true;
		return;
	}
	if (is_of_its_own(kind))
		put_type(p, own.bytes, time ? "nanoseconds" : "bytes");
	piece.default_sample_type =
		string_of(p, is_of_its_own(kind)   ? own.bytes
			     : kind == MODEL_ALLOC ? "alloc_space"
						   : "inuse_space");
	put_piece(p, &piece);
	buf_free(&own);
}

static void put_comment(struct pprof *p, struct buf *text)
{
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	int64_t comment;

	if (buf_status(text) < 0) {
		p->failed = true;
		return;
	}
	comment = string_of(p, text->bytes);
	piece.n_comment = 1;
	piece.comment = &comment;
	put_piece(p, &piece);
	buf_clear(text);
}

/* Where it comes from, and what was lost, for `pprof -comments`. */
static void put_comments(struct pprof *p)
{
	const struct model *m = p->m;
	struct buf text = BUF_INIT;

	buf_printf(&text, "strandline %s, %s mode, recording %s on %s",
		   m->version ? m->version : "?", m->mode,
		   m->name ? m->name : "?", m->host ? m->host : "?");
	put_comment(p, &text);
	buf_printf(&text, "command: %s", m->command ? m->command : "?");
	put_comment(p, &text);
	for (uint32_t i = 0; i < m->loss_count; i++)
		buf_printf(&text, "%s%s %llu",
			   i ? ", " : "lost: ", m->losses[i].reason,
			   (unsigned long long)m->losses[i].count);
	if (m->loss_count)
		put_comment(p, &text);
	buf_free(&text);
}

static void put_head(struct pprof *p)
{
	const struct model *m = p->m;
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	Pprof__ValueType period = PPROF__VALUE_TYPE__INIT;

	put_types(p);
	period.type = string_of(p, "space");
	period.unit = string_of(p, "bytes");
	piece.period_type = &period;
	piece.period = m->mean_bytes > 0 ? llround(m->mean_bytes) : 1;
	piece.time_nanos = (int64_t)m->start_unix_ns;
	piece.duration_nanos = llround(m->duration * 1e9);
	put_piece(p, &piece);
	put_comments(p);
	if (m->main_process < m->process_count)
		mapping_id(p, m->processes[m->main_process].exe);
}

static void put_all(struct pprof *p)
{
	put_head(p);
	chain_nodes(p);
	put_samples(p);
	for (size_t i = 0; i < p->locations.count && !p->failed; i++)
		put_location(p, &p->chains.at[p->locations.at[i]]);
	put_functions(p);
	put_mappings(p);
	put_strings(p);
}

int report_pprof(const struct model *m, const struct report_options *opt,
		 struct buf *out)
{
	struct pprof p = { .m = m, .opt = opt };

	p.gz = gzip_new(out);
	p.strings = intern_new();
	p.chain_of = hash_new();
	p.function_of = hash_new();
	p.mapping_of = hash_new();
	p.node_chains = malloc((m->node_count + 1) * sizeof(*p.node_chains));
	p.failed = !p.gz || !p.strings || !p.chain_of || !p.function_of ||
		   !p.mapping_of || !p.node_chains ||
		   intern_id(p.strings, "") != 0;
	if (!p.failed)
		put_all(&p);
	gzip_free(p.gz);
	intern_free(p.strings);
	hash_free(p.chain_of);
	hash_free(p.function_of);
	hash_free(p.mapping_of);
	free(p.node_chains);
	vec_free(&p.chains);
	vec_free(&p.locations);
	vec_free(&p.functions);
	vec_free(&p.mappings);
	vec_free(&p.stack);
	vec_free(&p.lines);
	vec_free(&p.packed);
	return p.failed ? -ENOMEM : buf_status(out);
}
