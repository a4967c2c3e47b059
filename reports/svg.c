/*
 * SVG: a flame graph that needs nothing but a browser: the root on top, a box
 * as wide as its bytes.  Written whole, so that it can be looked at where no
 * script runs; flame.js then makes it searchable and zoomable.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "reports/embed.h"
#include "reports/escape.h"
#include "reports/flame.h"
#include "reports/formats.h"
#include "reports/layout.h"
#include "reports/names.h"

#define WIDTH	    1200.0
#define TOP	    92 /* where the frames begin */
#define ROW	    18
#define CELL	    7.25 /* width of a character; the same in flame.js */
#define LEAST_LABEL (6 + 2 * CELL)
#define LEAST_WIDTH 0.1 /* likewise */

EMBED(flame_script, "reports/flame.js");
EMBED(flame_style, "reports/flame.css");

struct graph {
	const struct model *m;
	enum model_kind kind;
	struct buf *out;
	const struct flame_node *nodes;
	size_t count;
	double scale; /* pixels per unit of weight */
	size_t dropped;
	uint32_t deepest;
	unsigned classes; /* bits: what the legend must explain */
};

/* In the order of the legend: what is yours comes first. */
static const struct {
	const char *name; /* of the class in flame.css */
	const char *meaning;
} classes[] = {
	{ "application", "application" },
	{ "python", "Python" },
	{ "extension", "Python extension" },
	{ "library", "library" },
	{ "runtime", "runtime" },
	{ "libc", "libc" },
	{ "kernel", "kernel" },
	{ "marker", "waiting, or stack not whole" },
	{ "unknown", "unknown" },
};

#define CLASS_COUNT (sizeof(classes) / sizeof(classes[0]))

static const char *class_of(const struct graph *g, const struct flame_node *n)
{
	const struct model_frame *f;

	if (n->frame == MODEL_NONE)
		return "all";
	f = &g->m->frames[n->frame];
	return f->kind == FRAME_MARKER ? "marker"
				       : name_module_kind(f->module_kind);
}

static bool is_shown(const struct graph *g, const struct flame_node *n)
{
	return n->total * g->scale >= LEAST_WIDTH || n->frame == MODEL_NONE;
}

/* What must be known before the first byte is written. */
static void survey(struct graph *g)
{
	for (size_t i = 0; i < g->count; i++) {
		const struct flame_node *n = &g->nodes[i];

		if (!is_shown(g, n)) {
			g->dropped++;
			continue;
		}
		if (n->depth > g->deepest)
			g->deepest = n->depth;
		for (size_t c = 0; c < CLASS_COUNT; c++)
			if (strcmp(classes[c].name, class_of(g, n)) == 0)
				g->classes |= 1u << c;
	}
}

/*
 * What the tooltip says, in lines: name; amount and share; place.  Not a
 * <title>: for each of those Chromium 156 looks through the whole document, so
 * that 30,000 frames took 15 s to open.  flame.js makes one when pointed at.
 */
static void put_tip(struct graph *g, const struct flame_node *n)
{
	double total = g->nodes[0].total;
	struct buf place = BUF_INIT;
	char amount[NAME_AMOUNT_MAX];

	escape_xml(g->out, n->label);
	buf_printf(g->out, "&#10;%s, %.2f%%",
		   name_amount(amount, g->kind, n->total),
		   total > 0 ? n->total / total * 100 : 100);
	if (n->self > 0 && n->self < n->total)
		buf_printf(g->out, ", %s of it here",
			   name_amount(amount, g->kind, n->self));
	if (n->frame != MODEL_NONE)
		name_put_place(&place, &g->m->frames[n->frame], n->line, true);
	if (place.len > 0) {
		buf_puts(g->out, "&#10;");
		escape_xml(g->out, place.bytes);
	}
	if (place.failed)
		g->out->failed = true;
	buf_free(&place);
}

/* As much of the label as the box holds; flame.js does the same on zoom. */
static void put_label(struct graph *g, const char *label, double width)
{
	int cells = (int)((width - 6) / CELL);
	struct layout l = { .out = NULL };
	struct buf fitted = BUF_INIT;

	l.out = &fitted;
	layout_put(&l, label, (unsigned)cells, LAYOUT_LAST);
	if (fitted.failed)
		g->out->failed = true;
	else
		escape_xml(g->out, fitted.bytes ? fitted.bytes : "");
	buf_free(&fitted);
}

static void put_frame(struct graph *g, const struct flame_node *n, double start)
{
	double x = start * g->scale, width = n->total * g->scale;
	unsigned y = TOP + n->depth * ROW;

	if (g->nodes[0].total <= 0)
		width = WIDTH;
	buf_printf(g->out,
		   "<g class=\"f %s\" data-x=\"%.0f\" data-w=\"%.0f\" "
		   "data-d=\"%u\" data-tip=\"",
		   class_of(g, n), start, n->total, n->depth);
	put_tip(g, n);
	buf_printf(g->out,
		   "\"><rect x=\"%.2f\" y=\"%u\" width=\"%.2f\" "
		   "height=\"%d\" rx=\"1\"/>",
		   x, y, width, ROW);
	if (width >= LEAST_LABEL) {
		buf_printf(g->out, "<text x=\"%.2f\" y=\"%u\">", x + 3, y + 13);
		put_label(g, n->label, width);
		buf_puts(g->out, "</text>");
	}
	buf_puts(g->out, "</g>\n");
}

/*
 * Depth-first, so one position a level is enough: @at[d] is where the next
 * frame of depth d begins.
 */
static int put_frames(struct graph *g)
{
	double *at = calloc(g->deepest + 2, sizeof(*at));

	if (!at)
		return -ENOMEM;
	for (size_t i = 0; i < g->count; i++) {
		const struct flame_node *n = &g->nodes[i];

		if (!is_shown(g, n))
			continue; /* and no frame below it is wider */
		put_frame(g, n, at[n->depth]);
		at[n->depth + 1] = at[n->depth];
		at[n->depth] += n->total;
	}
	free(at);
	return 0;
}

static void put_legend(struct graph *g)
{
	double x = 10;

	for (size_t c = 0; c < CLASS_COUNT; c++) {
		if (!(g->classes & 1u << c))
			continue;
		buf_printf(g->out,
			   "<g class=\"%s\"><rect x=\"%.0f\" y=\"48\" "
			   "width=\"12\" height=\"12\" rx=\"2\"/></g>"
			   "<text class=\"soft\" x=\"%.0f\" y=\"58\">%s"
			   "</text>\n",
			   classes[c].name, x, x + 17, classes[c].meaning);
		x += 17 + CELL * (double)strlen(classes[c].meaning) + 16;
	}
}

static void put_head(struct graph *g)
{
	const struct model *m = g->m;
	char text[NAME_AMOUNT_MAX];

	buf_printf(g->out,
		   "<g class=\"head\"><rect class=\"paper\" width=\"%.0f\" "
		   "height=\"%d\"/>\n<text class=\"name\" x=\"10\" "
		   "y=\"22\">",
		   WIDTH, TOP - 2);
	buf_printf(g->out, "%s of %s in ",
		   name_amount(text, g->kind, g->nodes[0].total),
		   name_weight(g->kind));
	escape_xml(g->out, m->name ? m->name : "");
	buf_puts(g->out, "</text>\n<text class=\"soft\" x=\"10\" "
			 "y=\"40\">");
	put_label(g, m->command ? m->command : "", WIDTH - 320);
	buf_puts(g->out, "</text>\n");
	put_legend(g);
	buf_printf(g->out,
		   "<text class=\"matched\" x=\"%.0f\" y=\"52\"></text>\n"
		   "<text class=\"reset\" x=\"%.0f\" y=\"80\"></text>\n"
		   "<text class=\"status\" x=\"10\" y=\"80\">%s</text>\n"
		   "</g>\n",
		   WIDTH - 10, WIDTH - 10,
		   g->nodes[0].total > 0
			   ? "point at a frame for its figures, click to zoom; "
			     "arrow keys and Enter do the same"
			   : "nothing of this kind was recorded");
}

static int put_graph(struct graph *g)
{
	unsigned bottom, height;
	int rc;

	survey(g);
	bottom = TOP + (g->deepest + 1) * ROW;
	height = bottom + 28;
	buf_printf(g->out,
		   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		   "<svg xmlns=\"http://www.w3.org/2000/svg\" "
		   "role=\"application\" aria-label=\"Flame graph\" "
		   "width=\"%.0f\" height=\"%u\" "
		   "viewBox=\"0 0 %.0f %u\" data-unit=\"%s\">\n<style>\n",
		   WIDTH, height, WIDTH, height, name_unit(g->kind));
	buf_puts(g->out, flame_style);
	buf_printf(g->out,
		   "</style>\n<rect class=\"paper\" width=\"%.0f\" "
		   "height=\"%u\"/>\n",
		   WIDTH, height);
	rc = put_frames(g);
	buf_printf(g->out, "<text class=\"soft\" x=\"10\" y=\"%u\">",
		   bottom + 18);
	if (g->dropped > 0)
		buf_printf(g->out,
			   "%zu frame%s too small to see (below %.1f px of "
			   "%.0f) not drawn",
			   g->dropped, g->dropped == 1 ? "" : "s", LEAST_WIDTH,
			   WIDTH);
	buf_puts(g->out, "</text>\n");
	put_head(g);
	buf_puts(g->out, "<script><![CDATA[\n");
	buf_puts(g->out, flame_script);
	buf_puts(g->out, "]]></script>\n</svg>\n");
	return rc;
}

int report_svg(const struct model *m, const struct report_options *opt,
	       struct buf *out)
{
	struct graph g = { .m = m, .kind = opt->kind, .out = out };
	struct flame *flame;
	int rc;

	rc = flame_new(&flame, m, opt, FLAME_BY_MODULE);
	if (rc < 0)
		return rc;
	g.nodes = flame_nodes(flame, &g.count);
	if (g.nodes[0].total > 0)
		g.scale = WIDTH / g.nodes[0].total;
	rc = put_graph(&g);
	flame_free(flame);
	return rc < 0 ? rc : buf_status(out);
}
