/*
 * check_text: the outcome of a gate for a terminal or a log.
 */
#include <stdio.h>

#include "profiler/analysis/budget.h"
#include "profiler/analysis/diff.h"
#include "profiler/analysis/gate.h"
#include "profiler/analysis/verdict.h"
#include "profiler/base/buf.h"
#include "profiler/model/model.h"
#include "reports/check.h"
#include "reports/names.h"
#include "reports/outcome.h"
#include "reports/slow_words.h"
#include "reports/text.h"

#define DEFAULT_COLUMNS 80u
#define MOST_STACKS	5u
#define MOST_FRAMES	8u
#define MOST_SLOW	8u
#define STATE_WIDTH	13u

/* "by parse_prompt  parser.c:88 in shop" */
static void put_frame(const struct layout *l, const struct model_frame *f,
		      bool leaf)
{
	struct buf text = BUF_INIT;

	buf_puts(&text, leaf ? "at " : "by ");
	name_put_function(&text, f);
	buf_puts(&text, "  ");
	name_put_place(&text, f, f->line, false);
	if (buf_status(&text) < 0)
		l->out->failed = true;
	else
		text_labelled(l, "", LAYOUT_FAINT, text.bytes);
	buf_free(&text);
}

static void put_stack(const struct layout *l, const struct model *m,
		      uint32_t node)
{
	unsigned frames = 0;

	for (; node != MODEL_NONE && frames < MOST_FRAMES;
	     node = m->nodes[node].parent)
		put_frame(l, &m->frames[m->nodes[node].frame], frames++ == 0);
}

/* The sentences, then whose fault it is, leaf first. */
static void put_verdict(const struct layout *l, const struct gate *g)
{
	const struct verdict *v = g->verdict;
	unsigned shown = 0, suppressed = 0;
	char text[80];

	text_verdict(l, v);
	for (size_t i = 0; i < v->finding_count; i++) {
		const struct finding *f = &v->findings[i];

		suppressed += f->suppressed;
		if (!gate_fails(g, f) || f->node == MODEL_NONE ||
		    shown++ >= MOST_STACKS)
			continue;
		text_labelled(l, shown == 1 ? "stacks" : "", LAYOUT_PLAIN,
			      f->function ? f->function : "");
		put_stack(l, g->model, f->node);
	}
	if (!suppressed)
		return;
	snprintf(text, sizeof(text), "%u finding%s, by patterns given",
		 suppressed, suppressed == 1 ? "" : "s");
	text_labelled(l, "suppressed", LAYOUT_FAINT, text);
}

static void put_check(const struct layout *l, const struct check *c)
{
	enum layout_style style = c->state == CHECK_EXCEEDED  ? LAYOUT_ALARM
				  : c->state == CHECK_UNKNOWN ? LAYOUT_ACCENT
							      : LAYOUT_FAINT;
	struct buf text = BUF_INIT;

	layout_fill(l, TEXT_LABEL_WIDTH);
	layout_style(l, style);
	layout_put(l, check_state_name(c->state), STATE_WIDTH, LAYOUT_LEFT);
	layout_style(l, LAYOUT_PLAIN);
	outcome_check_name(&text, c);
	buf_printf(&text, ": %s", c->sentence);
	if (buf_status(&text) < 0)
		l->out->failed = true;
	else
		layout_wrap(l, text.bytes, TEXT_LABEL_WIDTH + STATE_WIDTH);
	buf_free(&text);
}

static void put_budgets(const struct layout *l, const struct gate *g)
{
	const struct checks *checks = g->checks;
	const struct check *c;
	char text[400];

	if (!g->config)
		return;
	snprintf(text, sizeof(text),
		 "%.200s: %zu kept, %zu exceeded, %zu not measured", g->config,
		 checks->list.count - checks->exceeded - checks->unknown,
		 checks->exceeded, checks->unknown);
	text_labelled(l, "budgets",
		      checks->exceeded ? LAYOUT_ALARM : LAYOUT_PLAIN, text);
	vec_foreach (&checks->list, c)
		put_check(l, c);
}

static void put_row(const struct layout *l, const struct diff *d,
		    const struct diff_row *row)
{
	struct buf text = BUF_INIT;

	outcome_row_name(&text, d, row);
	buf_putc(&text, ' ');
	outcome_row_text(&text, row);
	if (buf_status(&text) < 0)
		l->out->failed = true;
	else
		text_labelled(l, "", LAYOUT_ALARM, text.bytes);
	buf_free(&text);
}

static void put_baseline(const struct layout *l, const struct gate *g)
{
	const struct diff *d = g->diff;
	struct buf text = BUF_INIT;

	if (!d)
		return;
	outcome_side(&text, d, false);
	buf_printf(&text, ": %zu figure%s worse by more than %.3g %%", g->worse,
		   g->worse == 1 ? "" : "s", g->tolerance * 100);
	if (buf_status(&text) < 0)
		l->out->failed = true;
	else
		text_labelled(l, "baseline",
			      g->worse ? LAYOUT_ALARM : LAYOUT_PLAIN,
			      text.bytes);
	buf_free(&text);
	for (size_t i = 0; i < d->row_count; i++)
		if (gate_is_worse(g, &d->rows[i]))
			put_row(l, d, &d->rows[i]);
	if (d->caution)
		text_labelled(l, "", LAYOUT_FAINT, d->caution);
}

/* They fail nothing: a budget would. */
static void put_slow(const struct layout *l, const struct gate *g)
{
	const struct report_options opt = { .slow_ms = g->slow_ms,
					    .slow_limits = g->slow_limits };
	const struct model *m = g->model;
	unsigned shown = 0;

	for (uint32_t i = 0; i < m->endpoint_count && shown < MOST_SLOW; i++) {
		struct buf text = BUF_INIT;

		if (!slowness_is(&opt, &m->endpoints[i]))
			continue;
		slowness_put_sentence(&text, m, &opt, &m->endpoints[i]);
		if (buf_status(&text) < 0)
			l->out->failed = true;
		else
			text_labelled(l, shown++ ? "" : "slow", LAYOUT_PLAIN,
				      text.bytes);
		buf_free(&text);
	}
}

int check_text(const struct gate *g, const struct check_options *opt,
	       struct buf *out)
{
	struct layout l = { .out = out,
			    .columns = opt->columns ? opt->columns
						    : DEFAULT_COLUMNS,
			    .color = opt->color };
	struct buf head = BUF_INIT;
	const char *caution;

	put_verdict(&l, g);
	for (unsigned n = 0; (caution = outcome_caution(g, n)); n++)
		text_labelled(&l, "note", LAYOUT_PLAIN, caution);
	put_budgets(&l, g);
	put_baseline(&l, g);
	put_slow(&l, g);
	outcome_headline(&head, g);
	buf_printf(&head, " (status %d)", (int)g->status);
	if (buf_status(&head) < 0)
		out->failed = true;
	else
		text_labelled(&l, "check",
			      g->status ? LAYOUT_ALARM : LAYOUT_ACCENT,
			      head.bytes);
	buf_free(&head);
	return buf_status(out);
}
