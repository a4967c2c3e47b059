/*
 * top_tables: the lower part of the screen: sites, requests, one stack,
 * processes.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/units.h"
#include "profiler/cmd/top_view.h"
#include "reports/ledger.h"
#include "reports/names.h"
#include "reports/report.h"
#include "reports/sites.h"

static const char *const table_names[] = {
	[TOP_SITES] = "sites",
	[TOP_REQUESTS] = "requests",
	[TOP_STACK] = "stack",
	[TOP_PROCESSES] = "processes",
};

#define SORTS_MAX 5

static const char *const sort_names[TOP_TABLES][SORTS_MAX + 1] = {
	[TOP_SITES] = { "weight", "count", "name" },
	[TOP_REQUESTS] = { "count", "p95", "errors", "alloc", "kept" },
	[TOP_STACK] = { NULL },
	[TOP_PROCESSES] = { "RSS", "pid" },
};

unsigned top_sorts(enum top_table table)
{
	unsigned count = 0;

	while (sort_names[table][count])
		count++;
	return count;
}

const char *top_sort_name(enum top_table table, unsigned sort)
{
	return sort < top_sorts(table) ? sort_names[table][sort] : "";
}

bool top_passes(const struct top_state *s, const char *text)
{
	return !s->filter[0] || strcasestr(text, s->filter);
}

/* A table in hand: its rows, and how to draw one. */
struct table {
	struct top_screen *screen;
	const struct model *m;
	const struct top_state *s;
	size_t count;
	void *rows;
	void (*heads)(const struct table *t, unsigned row);
	void (*draw)(const struct table *t, size_t i, unsigned row);
	double total; /* of the weights */
};

static unsigned rest(const struct table *t, unsigned column)
{
	return t->screen->columns > column ? t->screen->columns - column : 1;
}

static bool is_narrow(const struct table *t)
{
	return t->screen->columns < NARROW_COLUMNS;
}

/* Sites */

static const char *function_of(const struct model *m, uint32_t frame)
{
	return frame == MODEL_NONE ? "[hidden]" : m->frames[frame].function;
}

static bool site_passes(const struct top_state *s, const struct model *m,
			uint32_t frame)
{
	struct buf text = BUF_INIT;
	bool passes;

	buf_puts(&text, function_of(m, frame));
	buf_putc(&text, ' ');
	if (frame != MODEL_NONE)
		name_put_place(&text, &m->frames[frame], 0, true);
	passes = buf_status(&text) < 0 || top_passes(s, text.bytes);
	buf_free(&text);
	return passes;
}

/* What a kind counts; NULL: time and pages, which are not blocks. */
static const struct estimate *counted(const struct site_group *g,
				      enum model_kind kind)
{
	switch (kind) {
	case MODEL_LIVE:
	case MODEL_LEAK:
		return &g->live;
	case MODEL_ALLOC:
		return &g->allocated;
	case MODEL_PEAK:
		return &g->peak;
	case MODEL_TEMPORARY:
		return &g->temporary;
	default:
		return NULL;
	}
}

static int compare_groups(const void *a, const void *b, void *table)
{
	const struct site_group *x = a, *y = b;
	const struct table *t = table;
	unsigned sort = t->s->sort[TOP_SITES];
	const struct estimate *n = counted(x, t->s->kind);
	const struct estimate *k = counted(y, t->s->kind);

	if (sort == 2)
		return strcmp(function_of(t->m, x->frame),
			      function_of(t->m, y->frame));
	if (sort == 1 && n && k)
		return (n->count < k->count) - (n->count > k->count);
	return (x->weight < y->weight) - (x->weight > y->weight);
}

/* Where the functions begin: blocks may not be shown. */
static unsigned site_column(const struct table *t)
{
	static const struct site_group none;

	return is_narrow(t) || !counted(&none, t->s->kind) ? 21 : 31;
}

static void site_heads(const struct table *t, unsigned row)
{
	unsigned column = site_column(t);

	top_put(t->screen, row, 0, 11, LAYOUT_RIGHT, LAYOUT_FAINT, "%s",
		model_kind_name(t->s->kind));
	top_put(t->screen, row, 11, 8, LAYOUT_RIGHT, LAYOUT_FAINT, "share");
	if (column > 21)
		top_put(t->screen, row, 19, 10, LAYOUT_RIGHT, LAYOUT_FAINT,
			"blocks");
	top_put(t->screen, row, column, 0, LAYOUT_LAST, LAYOUT_FAINT,
		"function");
}

static void put_site_name(const struct table *t, const struct model_frame *f,
			  unsigned row)
{
	unsigned column = site_column(t), width = rest(t, column);
	struct buf name = BUF_INIT;

	if (!is_narrow(t))
		width /= 2;
	name_put_function(&name, f);
	if (buf_status(&name) == 0)
		top_put(t->screen, row, column, width, LAYOUT_LEFT,
			LAYOUT_PLAIN, "%s", name.bytes);
	buf_clear(&name);
	name_put_place(&name, f, f->line, false);
	if (buf_status(&name) == 0 && name.len && !is_narrow(t))
		top_put(t->screen, row, column + 1 + width, 0, LAYOUT_LAST_TAIL,
			LAYOUT_FAINT, "%s", name.bytes);
	buf_free(&name);
}

static void draw_site(const struct table *t, size_t i, unsigned row)
{
	const struct site_group *g = (const struct site_group *)t->rows + i;
	const struct estimate *blocks = counted(g, t->s->kind);
	char amount[NAME_AMOUNT_MAX], count[UNITS_TEXT_MAX];

	top_put(t->screen, row, 0, 11, LAYOUT_RIGHT, LAYOUT_PLAIN, "%s",
		name_amount(amount, t->s->kind, g->weight));
	top_put(t->screen, row, 11, 8, LAYOUT_RIGHT, LAYOUT_PLAIN, "%.1f %%",
		t->total > 0 ? 100 * g->weight / t->total : 0);
	if (blocks && !is_narrow(t))
		top_put(t->screen, row, 19, 10, LAYOUT_RIGHT, LAYOUT_PLAIN,
			"%s",
			units_format_count(count,
					   (uint64_t)(blocks->count + 0.5)));
	if (g->frame != MODEL_NONE)
		put_site_name(t, &t->m->frames[g->frame], row);
}

/* The groups that the filter lets through, sorted; to be freed. */
static struct site_group *list_sites(struct table *t)
{
	const struct report_options opt = { .kind = t->s->kind };
	struct site_group *groups = NULL;
	size_t count = 0, kept = 0;

	if (sites_grouped(t->m, &opt, &groups, &count) < 0)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		t->total += groups[i].weight;
		if (site_passes(t->s, t->m, groups[i].frame))
			groups[kept++] = groups[i];
	}
	t->count = kept;
	if (kept)
		qsort_r(groups, kept, sizeof(*groups), compare_groups, t);
	return groups;
}

/* Requests */

static double nan_last(double value)
{
	return isnan(value) ? -1 : value;
}

static double endpoint_key(const struct model_endpoint *e, unsigned sort)
{
	switch (sort) {
	case 1:
		return nan_last(e->p95_ms);
	case 2:
		return (double)e->errors;
	case 3:
		return nan_last(e->alloc_bytes_per_request);
	case 4:
		return nan_last(e->retained_bytes_per_request);
	default:
		return (double)e->count;
	}
}

static int compare_endpoints(const void *a, const void *b, void *table)
{
	const struct table *t = table;
	unsigned sort = t->s->sort[TOP_REQUESTS];
	uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
	double x = endpoint_key(&t->m->endpoints[i], sort);
	double y = endpoint_key(&t->m->endpoints[k], sort);

	if (x != y)
		return x < y ? 1 : -1;
	return (i > k) - (i < k);
}

static uint32_t *list_endpoints(struct table *t)
{
	uint32_t *rows = calloc(t->m->endpoint_count + 1UL, sizeof(*rows));

	for (uint32_t i = 0; rows && i < t->m->endpoint_count; i++)
		if (top_passes(t->s, t->m->endpoints[i].route) ||
		    top_passes(t->s, t->m->endpoints[i].method))
			rows[t->count++] = i;
	if (t->count)
		qsort_r(rows, t->count, sizeof(*rows), compare_endpoints, t);
	return rows;
}

enum endpoint_cell { RATE, COUNT, ERRORS, P50, P95, P99, ALLOC, KEPT, CELLS };

static bool knows_bytes(const struct model *m)
{
	for (uint32_t i = 0; i < m->endpoint_count; i++)
		if (!isnan(m->endpoints[i].alloc_bytes_per_request))
			return true;
	return false;
}

/* The routes must have room; 0: it is not shown. */
static unsigned cell_width(const struct table *t, enum endpoint_cell cell)
{
	bool wide = t->screen->columns >= 100, bytes = knows_bytes(t->m);

	switch (cell) {
	case RATE:
	case P50:
	case P95:
		return 8;
	case ERRORS:
	case P99:
		return is_narrow(t) ? 0 : 8;
	case COUNT:
		return wide || (!bytes && !is_narrow(t)) ? 8 : 0;
	case ALLOC:
		return wide && bytes ? 11 : 0;
	case KEPT:
		return bytes && !is_narrow(t) ? 11 : 0;
	case CELLS:
		break;
	}
	return 0;
}

static void endpoint_heads(const struct table *t, unsigned row)
{
	static const char *const names[CELLS] = {
		"per s", "count", "errors",    "p50",
		"p95",	 "p99",	  "alloc/req", "kept/req",
	};
	unsigned column = 0;

	for (enum endpoint_cell c = RATE; c < CELLS; c++) {
		unsigned width = cell_width(t, c);

		if (width)
			top_put(t->screen, row, column, width, LAYOUT_RIGHT,
				LAYOUT_FAINT, "%s", names[c]);
		column += width;
	}
	top_put(t->screen, row, column + 1, 0, LAYOUT_LAST, LAYOUT_FAINT,
		"route");
}

static const char *format_ms(char text[UNITS_TEXT_MAX], double ms)
{
	return isnan(ms) ? "-" : units_format_duration(text, ms * 1e6);
}

static const char *format_size(char text[UNITS_TEXT_MAX], double bytes)
{
	return isnan(bytes) ? "-" : units_format_bytes(text, bytes);
}

static const char *format_rate(char text[UNITS_TEXT_MAX], const struct model *m,
			       const struct model_endpoint *e)
{
	double rate, errors;

	if (!e->windows || !top_rates(m, e, &rate, &errors))
		return "-";
	snprintf(text, UNITS_TEXT_MAX, "%.1f", rate);
	return text;
}

static const char *endpoint_text(char text[UNITS_TEXT_MAX],
				 const struct model *m,
				 const struct model_endpoint *e,
				 enum endpoint_cell cell)
{
	switch (cell) {
	case RATE:
		return format_rate(text, m, e);
	case COUNT:
		return units_format_count(text, e->count);
	case ERRORS:
		return e->errors ? units_format_count(text, e->errors) : "-";
	case P50:
		return format_ms(text, e->p50_ms);
	case P95:
		return format_ms(text, e->p95_ms);
	case P99:
		return format_ms(text, e->p99_ms);
	case ALLOC:
		return format_size(text, e->alloc_bytes_per_request);
	case KEPT:
		return format_size(text, e->retained_bytes_per_request);
	case CELLS:
		break;
	}
	return "";
}

static void draw_endpoint(const struct table *t, size_t i, unsigned row)
{
	const struct model_endpoint *e =
		&t->m->endpoints[((const uint32_t *)t->rows)[i]];
	char text[UNITS_TEXT_MAX];
	unsigned column = 0;

	for (enum endpoint_cell c = RATE; c < CELLS; c++) {
		unsigned width = cell_width(t, c);

		if (width)
			top_put(t->screen, row, column, width, LAYOUT_RIGHT,
				c == ERRORS && e->errors ? LAYOUT_ALARM
							 : LAYOUT_PLAIN,
				"%s", endpoint_text(text, t->m, e, c));
		column += width;
	}
	top_put(t->screen, row, column + 1, 0, LAYOUT_LAST_TAIL, LAYOUT_PLAIN,
		"%s %s", e->method, e->route);
}

/* One stack */

static uint32_t *list_frames(struct table *t)
{
	struct table sites = { .m = t->m, .s = t->s };
	struct site_group *groups = list_sites(&sites);
	size_t at = t->s->selected[TOP_SITES];
	uint32_t *rows = NULL, node;

	if (at >= sites.count)
		at = sites.count ? sites.count - 1 : 0;
	node = sites.count ? t->m->sites[groups[at].largest].node : MODEL_NONE;
	for (uint32_t n = node; n != MODEL_NONE; n = t->m->nodes[n].parent)
		t->count++;
	rows = calloc(t->count + 1, sizeof(*rows));
	for (size_t i = 0; rows && node != MODEL_NONE; i++) {
		rows[i] = t->m->nodes[node].frame;
		node = t->m->nodes[node].parent;
	}
	free(groups);
	return rows;
}

static void frame_heads(const struct table *t, unsigned row)
{
	top_put(t->screen, row, 2, 0, LAYOUT_LAST, LAYOUT_FAINT,
		"the heaviest stack of the selected site, innermost first");
}

static void draw_frame(const struct table *t, size_t i, unsigned row)
{
	const struct model_frame *f =
		&t->m->frames[((const uint32_t *)t->rows)[i]];
	struct buf text = BUF_INIT;
	unsigned half = rest(t, 2) / 2;

	name_put_function(&text, f);
	if (buf_status(&text) == 0)
		top_put(t->screen, row, 2, half, LAYOUT_LEFT,
			f->kind == FRAME_PYTHON ? LAYOUT_ACCENT : LAYOUT_PLAIN,
			"%s", text.bytes);
	buf_clear(&text);
	name_put_place(&text, f, f->line, false);
	if (buf_status(&text) == 0 && text.len)
		top_put(t->screen, row, 3 + half, 0, LAYOUT_LAST_TAIL,
			LAYOUT_FAINT, "%s", text.bytes);
	buf_free(&text);
}

/* Processes */

struct process_row {
	uint32_t index;
	const struct model_ledger_point *last; /* NULL: no reading */
};

static const struct model_ledger_point *last_of(const struct model *m,
						int32_t pid)
{
	for (uint32_t i = m->ledger_count; i-- > 0;)
		if (m->ledger[i].pid == pid &&
		    m->ledger[i].rss != LEDGER_UNREAD)
			return &m->ledger[i];
	return NULL;
}

static int compare_processes(const void *a, const void *b, void *table)
{
	const struct process_row *x = a, *y = b;
	const struct table *t = table;
	uint64_t p = x->last ? x->last->rss : 0, q = y->last ? y->last->rss : 0;

	if (t->s->sort[TOP_PROCESSES] == 0 && p != q)
		return p < q ? 1 : -1;
	return (x->index > y->index) - (x->index < y->index);
}

static struct process_row *list_processes(struct table *t)
{
	struct process_row *rows =
		calloc(t->m->process_count + 1UL, sizeof(*rows));

	for (uint32_t i = 0; rows && i < t->m->process_count; i++) {
		const struct model_process *p = &t->m->processes[i];

		if (!top_passes(t->s, p->command[0] ? p->command : p->exe))
			continue;
		rows[t->count++] = (struct process_row) {
			.index = i,
			.last = last_of(t->m, p->pid),
		};
	}
	if (t->count)
		qsort_r(rows, t->count, sizeof(*rows), compare_processes, t);
	return rows;
}

static void process_heads(const struct table *t, unsigned row)
{
	top_put(t->screen, row, 0, 9, LAYOUT_RIGHT, LAYOUT_FAINT, "pid");
	top_put(t->screen, row, 9, 11, LAYOUT_RIGHT, LAYOUT_FAINT, "RSS");
	if (!is_narrow(t)) {
		top_put(t->screen, row, 20, 9, LAYOUT_RIGHT, LAYOUT_FAINT,
			"threads");
		top_put(t->screen, row, 29, 7, LAYOUT_RIGHT, LAYOUT_FAINT,
			"fds");
	}
	top_put(t->screen, row, is_narrow(t) ? 22 : 38, 0, LAYOUT_LAST,
		LAYOUT_FAINT, "command");
}

/* Threads or, if @fds, descriptors. */
static void put_number(const struct table *t, unsigned row, unsigned column,
		       unsigned width, enum layout_style style,
		       const struct model_ledger_point *p, bool fds)
{
	uint64_t n = !p ? LEDGER_UNREAD : fds ? p->fds : p->threads;

	if (n == LEDGER_UNREAD)
		top_put(t->screen, row, column, width, LAYOUT_RIGHT, style,
			"-");
	else
		top_put(t->screen, row, column, width, LAYOUT_RIGHT, style,
			"%llu", (unsigned long long)n);
}

static void draw_process(const struct table *t, size_t i, unsigned row)
{
	const struct process_row *r = (const struct process_row *)t->rows + i;
	const struct model_process *p = &t->m->processes[r->index];
	enum layout_style style = p->ended < 0 ? LAYOUT_PLAIN : LAYOUT_FAINT;
	char rss[UNITS_TEXT_MAX] = "-";

	if (r->last)
		units_format_bytes(rss, (double)r->last->rss);
	top_put(t->screen, row, 0, 9, LAYOUT_RIGHT, style, "%s%d",
		p->is_main ? ">" : "", (int)p->pid);
	top_put(t->screen, row, 9, 11, LAYOUT_RIGHT, style, "%s", rss);
	if (!is_narrow(t)) {
		put_number(t, row, 20, 9, style, r->last, false);
		put_number(t, row, 29, 7, style, r->last, true);
	}
	top_put(t->screen, row, is_narrow(t) ? 22 : 38, 0, LAYOUT_LAST, style,
		"%s", p->command[0] ? p->command : p->exe);
}

/* All of them */

static void fill(struct table *t, enum top_table which)
{
	switch (which) {
	case TOP_REQUESTS:
		t->rows = list_endpoints(t);
		t->heads = endpoint_heads;
		t->draw = draw_endpoint;
		break;
	case TOP_STACK:
		t->rows = list_frames(t);
		t->heads = frame_heads;
		t->draw = draw_frame;
		break;
	case TOP_PROCESSES:
		t->rows = list_processes(t);
		t->heads = process_heads;
		t->draw = draw_process;
		break;
	case TOP_SITES:
	case TOP_TABLES:
		t->rows = list_sites(t);
		t->heads = site_heads;
		t->draw = draw_site;
		break;
	}
	if (!t->rows)
		t->count = 0;
}

static void draw_tabs(struct top_screen *screen, const struct top_state *s,
		      unsigned row)
{
	unsigned column = 0;

	for (unsigned i = 0; i < TOP_TABLES; i++) {
		bool current = s->table == (enum top_table)i;
		bool named = current || screen->columns >= NARROW_COLUMNS;
		const char *name = named ? table_names[i] : "";

		top_put(screen, row, column, 14, LAYOUT_LAST,
			current ? LAYOUT_TITLE : LAYOUT_FAINT,
			current ? "[%u %s]" : " %u %s ", i + 1, name);
		column += named ? (unsigned)strlen(name) + 5 : 3;
	}
	top_put(screen, row, column + 1, 0, LAYOUT_LAST, LAYOUT_FAINT,
		"kind %s  %s%s%s%s", model_kind_name(s->kind),
		top_sorts(s->table) ? "by " : "",
		top_sort_name(s->table, s->sort[s->table]),
		s->filter[0] ? "  /" : "", s->filter);
}

/* Keep the selected row in the table, and in sight. */
static void clamp(struct top_state *s, size_t count, size_t page)
{
	size_t *selected = &s->selected[s->table];
	size_t *first = &s->first[s->table];

	s->page = page;
	if (*selected >= count)
		*selected = count ? count - 1 : 0;
	if (*first > *selected)
		*first = *selected;
	if (page && *selected >= *first + page)
		*first = *selected - page + 1;
	if (page && *first + page > count)
		*first = count > page ? count - page : 0;
}

/* A bit for each kind that some site weighs something of. */
static unsigned kinds_of(const struct model *m)
{
	unsigned kinds = 0;

	for (uint32_t i = 0; i < m->site_count; i++)
		for (unsigned k = 0; k <= MODEL_WALL; k++)
			if (model_site_weight(&m->sites[i],
					      (enum model_kind)k) != 0)
				kinds |= 1U << k;
	return kinds;
}

void top_kinds(struct top_state *s, const struct model *m)
{
	s->kinds = kinds_of(m);
	if (s->kind_chosen || !s->kinds)
		return;
	s->kind = report_default_kind(m);
	for (unsigned k = 0; !(s->kinds & 1U << s->kind); k++)
		s->kind = (enum model_kind)k;
}

static const char *nothing(const struct top_state *s, const struct top_facts *f)
{
	if (s->filter[0])
		return "nothing contains that text";
	if (f->can_attach)
		return "nothing records this process; a attaches to it";
	if (s->table == TOP_REQUESTS)
		return "no requests were seen";
	return s->kinds ? "nothing of this kind was recorded; k shows another"
			: "nothing of this kind was recorded";
}

void top_draw_table(struct top_screen *screen, const struct top_facts *f,
		    struct top_state *s, unsigned row, unsigned end)
{
	struct table t = { .screen = screen, .m = f->model, .s = s };
	size_t page;

	if (row + 2 >= end)
		return;
	draw_tabs(screen, s, row++);
	fill(&t, s->table);
	t.heads(&t, row++);
	page = end - row;
	clamp(s, t.count, page);
	if (!t.count)
		top_put(screen, row, 2, 0, LAYOUT_LAST, LAYOUT_FAINT, "%s",
			nothing(s, f));
	for (size_t i = 0; i < page && s->first[s->table] + i < t.count; i++) {
		size_t at = s->first[s->table] + i;

		t.draw(&t, at, row + (unsigned)i);
		if (at == s->selected[s->table])
			top_reverse(screen, row + (unsigned)i);
	}
	free(t.rows);
}
