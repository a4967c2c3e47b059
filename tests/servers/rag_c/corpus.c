#include "tests/servers/rag_c/corpus.h"

#include <ctype.h>
#include <fts.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SHORT_PASSAGE 120 /* characters: below, the next paragraph is added */
#define LONG_PASSAGE  900 /* and above it is cut */

/* Where text stands, and in which kind of file. */
static const struct source {
	const char *folders; /* glob(7) */
	const char *suffix;
	const char *open, *close;
} sources[] = {
	{ "/usr/lib/python3*", ".py", "\"\"\"", "\"\"\"" },
	{ "/usr/include", ".h", "/*", "*/" },
};

static bool add(struct corpus *c, const char *title, const char *text)
{
	struct passage *p = &c->passages[c->count];

	p->title = strdup(title);
	p->text = strdup(text);
	c->count += p->title && p->text;
	return c->count < c->limit;
}

/* Joins lines and drops runs of blanks; false once there are enough. */
static bool add_text(struct corpus *c, const char *title, const char *text,
		     const char *end)
{
	char piece[LONG_PASSAGE + 1];
	size_t len = 0;
	int newlines = 0;

	for (; text < end; text++) {
		bool blank = isspace((unsigned char)*text) || *text == '*';

		newlines = blank ? newlines + (*text == '\n') : 0;
		if (newlines > 1 && len >= SHORT_PASSAGE) {
			piece[len] = '\0';
			if (!add(c, title, piece))
				return false;
			len = 0;
		}
		if (!blank && len < LONG_PASSAGE)
			piece[len++] = *text;
		else if (blank && len && len < LONG_PASSAGE &&
			 piece[len - 1] != ' ')
			piece[len++] = ' ';
	}
	piece[len] = '\0';
	return len < SHORT_PASSAGE / 3 || add(c, title, piece);
}

static bool add_file(struct corpus *c, const struct source *s,
		     const char *title, const char *bytes)
{
	const char *at = bytes;

	while ((at = strstr(at, s->open))) {
		const char *begin = at + strlen(s->open);
		const char *end = strstr(begin, s->close);

		if (!end)
			break;
		if (!add_text(c, title, begin, end))
			return false;
		at = end + strlen(s->close);
	}
	return true;
}

/* The whole file with a NUL behind it, or NULL. */
static char *read_file(const char *path, size_t size)
{
	char *bytes = malloc(size + 1);
	FILE *file = fopen(path, "re");

	if (file && bytes) {
		bytes[fread(bytes, 1, size, file)] = '\0';
	} else {
		free(bytes);
		bytes = NULL;
	}
	if (file)
		fclose(file);
	return bytes;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static void add_folders(struct corpus *c, const struct source *s, char **paths)
{
	FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	bool more = tree != NULL;
	FTSENT *entry;

	while (more && (entry = fts_read(tree))) {
		char *bytes;

		if (entry->fts_info != FTS_F ||
		    !ends_with(entry->fts_name, s->suffix))
			continue;
		bytes = read_file(entry->fts_path,
				  (size_t)entry->fts_statp->st_size);
		if (bytes)
			more = add_file(c, s, entry->fts_name, bytes);
		free(bytes);
	}
	if (tree)
		fts_close(tree);
}

bool corpus_read(struct corpus *c, size_t limit)
{
	*c = (struct corpus) { .limit = limit };
	c->passages = calloc(limit, sizeof(*c->passages));
	if (!c->passages)
		return false;
	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
		glob_t found;

		if (c->count == limit ||
		    glob(sources[i].folders, 0, NULL, &found) != 0)
			continue;
		add_folders(c, &sources[i], found.gl_pathv);
		globfree(&found);
	}
	return c->count > 0;
}

void corpus_free(struct corpus *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free(c->passages[i].title);
		free(c->passages[i].text);
	}
	free(c->passages);
}
