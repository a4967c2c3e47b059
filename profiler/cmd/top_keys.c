/*
 * top_keys: what each key does to what is shown.
 */
#include <string.h>

#include "profiler/cmd/top_view.h"

static const enum model_kind kinds[] = {
	MODEL_LIVE, MODEL_LEAK, MODEL_ALLOC,  MODEL_PEAK, MODEL_TEMPORARY,
	MODEL_RSS,  MODEL_CPU,	MODEL_OFFCPU, MODEL_WALL,
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Past those that nothing is recorded of. */
static void next_kind(struct top_state *s, size_t step)
{
	size_t at = 0;

	while (at < KINDS && kinds[at] != s->kind)
		at++;
	for (size_t i = 0; i < KINDS; i++) {
		at = (at + step) % KINDS;
		if (!s->kinds || s->kinds & 1U << kinds[at])
			break;
	}
	s->kind = kinds[at];
	s->kind_chosen = true;
	s->selected[TOP_SITES] = s->first[TOP_SITES] = 0;
}

static void move(struct top_state *s, long by)
{
	size_t *selected = &s->selected[s->table];

	if (by < 0 && *selected < (size_t)-by)
		*selected = 0;
	else
		*selected += (size_t)by; /* too far is seen to when drawn */
}

static void show(struct top_state *s, enum top_table table)
{
	s->table = table;
	if (table == TOP_STACK)
		s->selected[TOP_STACK] = s->first[TOP_STACK] = 0;
}

static enum top_action press_filtering(struct top_state *s, int key)
{
	size_t len = strlen(s->filter);

	switch (key) {
	case TOP_KEY_ESCAPE:
		s->filter[0] = '\0';
		s->mode = TOP_NORMAL;
		break;
	case TOP_KEY_ENTER:
		s->mode = TOP_NORMAL;
		break;
	case TOP_KEY_BACKSPACE:
		if (len)
			s->filter[len - 1] = '\0';
		break;
	default:
		if (key < ' ' || key > '~' || len + 1 >= sizeof(s->filter))
			return TOP_NOTHING;
		s->filter[len] = (char)key;
		s->filter[len + 1] = '\0';
	}
	s->selected[s->table] = s->first[s->table] = 0;
	return TOP_REDRAW;
}

static enum top_action press_moving(struct top_state *s, int key)
{
	long page = s->page ? (long)s->page : 1;

	switch (key) {
	case TOP_KEY_UP:
		move(s, -1);
		break;
	case TOP_KEY_DOWN:
		move(s, 1);
		break;
	case TOP_KEY_PAGE_UP:
		move(s, -page);
		break;
	case TOP_KEY_PAGE_DOWN:
		move(s, page);
		break;
	case TOP_KEY_HOME:
		s->selected[s->table] = 0;
		break;
	case TOP_KEY_END:
		s->selected[s->table] = (size_t)1 << 40;
		break;
	case TOP_KEY_LEFT:
	case TOP_KEY_ESCAPE:
		show(s, s->table == TOP_STACK ? TOP_SITES : s->table);
		break;
	case TOP_KEY_ENTER:
	case TOP_KEY_RIGHT:
		show(s, s->table == TOP_SITES ? TOP_STACK : s->table);
		break;
	default:
		return TOP_NOTHING;
	}
	return TOP_REDRAW;
}

static enum top_action press_normal(struct top_state *s, int key)
{
	switch (key) {
	case 'q':
	case 3: /* Ctrl-C */
		return TOP_QUIT;
	case '1':
	case '2':
	case '3':
	case '4':
		show(s, (enum top_table)(key - '1'));
		break;
	case '\t':
		show(s, (enum top_table)((s->table + 1) % TOP_TABLES));
		break;
	case 'k':
		next_kind(s, 1);
		break;
	case 'K':
		next_kind(s, KINDS - 1);
		break;
	case 's':
		if (top_sorts(s->table))
			s->sort[s->table] =
				(s->sort[s->table] + 1) % top_sorts(s->table);
		break;
	case '/':
		s->mode = TOP_FILTERING;
		break;
	case 'p':
	case ' ':
		s->paused = !s->paused;
		break;
	case '?':
	case 'h':
		s->mode = TOP_HELP;
		s->help = 0;
		break;
	case 'w':
		return TOP_SAVE;
	case 'a':
		return TOP_ATTACH;
	case 12: /* Ctrl-L */
	case TOP_KEY_RESIZE:
		break;
	default:
		return press_moving(s, key);
	}
	return TOP_REDRAW;
}

enum top_action top_press(struct top_state *s, int key)
{
	if (key == TOP_KEY_RESIZE)
		return TOP_REDRAW;
	switch (s->mode) {
	case TOP_FILTERING:
		return press_filtering(s, key);
	case TOP_HELP:
		s->help = s->help_end;
		if (s->help >= s->help_lines)
			s->mode = TOP_NORMAL;
		return key == 3 ? TOP_QUIT : TOP_REDRAW;
	case TOP_NORMAL:
		break;
	}
	return press_normal(s, key);
}
