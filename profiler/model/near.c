/*
 * near: see near.h.
 */
#include "profiler/model/near.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/model/named.h"
#include "profiler/trace/reader.h"

#define WORD_MAX  63 /* of a name that is looked at */
#define TEXT_MAX  255
#define NOT_NEAR  UINT_MAX
#define CONTAINED 1 /* as far as one letter */

struct near {
	char word[WORD_MAX + 1]; /* of what was asked for */
	struct {
		unsigned distance;
		char text[TEXT_MAX + 1];
	} best[MODEL_NEAR_MOST];
	size_t count;
};

/* "search" of "ns::Index::search(int)" and "app.Index.search". */
static void last_word(char out[WORD_MAX + 1], const char *name)
{
	size_t end = strcspn(name, "("), begin = end, size;

	while (begin && !strchr(".:", name[begin - 1]))
		begin--;
	size = end - begin < WORD_MAX ? end - begin : WORD_MAX;
	for (size_t i = 0; i < size; i++)
		out[i] = (char)tolower((unsigned char)name[begin + i]);
	out[size] = '\0';
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Levenshtein's: letters to be put in, taken out or changed. */
static unsigned edits(const char *a, const char *b)
{
	unsigned row[WORD_MAX + 2];
	size_t na = strlen(a), nb = strlen(b);

	for (size_t k = 0; k <= nb; k++)
		row[k] = (unsigned)k;
	for (size_t i = 1; i <= na; i++) {
		unsigned corner = row[0];

		row[0] = (unsigned)i;
		for (size_t k = 1; k <= nb; k++) {
			unsigned above = row[k];

			row[k] = least(above + 1, row[k - 1] + 1,
				       corner + (a[i - 1] != b[k - 1]));
			corner = above;
		}
	}
	return row[nb];
}

static unsigned distance(const char *asked, const char *word)
{
	const size_t a = strlen(asked), w = strlen(word);
	const size_t shorter = a < w ? a : w;
	unsigned n;

	if (shorter >= 3 && (strstr(asked, word) || strstr(word, asked)))
		return a == w ? 0 : CONTAINED;
	if ((a > w ? a - w : w - a) > a / 3)
		return NOT_NEAR;
	n = edits(asked, word);
	return n <= (a < 6 ? 1 : a / 3) && n < shorter ? n : NOT_NEAR;
}

static void keep(struct near *n, unsigned far, const char *text)
{
	size_t at = 0;

	while (at < n->count && (n->best[at].distance < far ||
				 (n->best[at].distance == far &&
				  strcmp(n->best[at].text, text) < 0)))
		at++;
	for (size_t i = 0; i < n->count; i++)
		if (strcmp(n->best[i].text, text) == 0)
			return;
	if (at == MODEL_NEAR_MOST)
		return;
	if (n->count < MODEL_NEAR_MOST)
		n->count++;
	memmove(&n->best[at + 1], &n->best[at],
		(n->count - at - 1) * sizeof(n->best[0]));
	n->best[at].distance = far;
	snprintf(n->best[at].text, sizeof(n->best[at].text), "%s", text);
}

/* "app" of "/srv/app.py". */
static void put_module(char *out, size_t size, const char *file)
{
	const char *slash = strrchr(file, '/');
	const char *begin = slash ? slash + 1 : file;

	snprintf(out, size, "%.*s", (int)strcspn(begin, "."), begin);
}

static void look_at(struct near *n, const char *function, const char *file,
		    bool python)
{
	char word[WORD_MAX + 1], module[WORD_MAX + 1], text[TEXT_MAX + 1];
	unsigned far;

	last_word(word, function);
	far = distance(n->word, word);
	if (far == NOT_NEAR)
		return;
	if (python && file) {
		put_module(module, sizeof(module), file);
		snprintf(text, sizeof(text), "%s.%s", module, function);
	} else if (python) {
		snprintf(text, sizeof(text), "python:%s", function);
	} else {
		snprintf(text, sizeof(text), "%.*s",
			 (int)strcspn(function, "("), function);
	}
	keep(n, far, text);
}

int near_find(struct model *m, const struct trace_view *v, const char *asked,
	      const char *names[MODEL_NEAR_MOST])
{
	struct near *n = calloc(1, sizeof(*n));
	int count = -ENOMEM;

	if (!n)
		return -ENOMEM;
	last_word(n->word, named_shown(asked));
	for (uint32_t i = 0; i < m->frame_count; i++) {
		const struct model_frame *f = &m->frames[i];

		if (f->kind == FRAME_PYTHON || f->kind == FRAME_NATIVE)
			look_at(n, f->function, f->file,
				f->kind == FRAME_PYTHON);
	}
	for (size_t i = 0; i < v->handler_count; i++)
		look_at(n, v->handlers[i].function, v->handlers[i].file, true);
	for (size_t i = 0; i < n->count; i++) {
		names[i] = model_string(m, n->best[i].text);
		if (!names[i])
			goto out;
	}
	count = (int)n->count;
out:
	free(n);
	return count;
}
