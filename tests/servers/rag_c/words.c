#include "tests/servers/rag_c/words.h"

#include "tests/servers/rag_c/corpus.h"

#include <ctype.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATABASE    "file:/rag?vfs=memdb"
#define QUERY_WORDS 16

/* What is asked, prepared once for each connection. */
enum ask { ASK_MATCH, ASK_TEXT, ASK_SNIPPET, ASK_INSERT, ASK_INDEX, ASKS };

static const char *const statements[ASKS] = {
	[ASK_MATCH] = "SELECT rowid FROM words WHERE words MATCH ?1"
		      " ORDER BY rank LIMIT ?2",
	[ASK_TEXT] = "SELECT title, text FROM passage WHERE id = ?1",
	[ASK_SNIPPET] = "SELECT snippet(words, 1, '<b>', '</b>', '...', 24)"
			" FROM words WHERE words MATCH ?1 AND rowid = ?2",
	[ASK_INSERT] = "INSERT INTO passage(title, text) VALUES (?1, ?2)",
	[ASK_INDEX] = "INSERT INTO words(rowid, title, text)"
		      " VALUES (?3, ?1, ?2)",
};

static const char schema[] =
	"CREATE TABLE passage (id INTEGER PRIMARY KEY, title TEXT, text TEXT);"
	"CREATE VIRTUAL TABLE words USING fts5(title, text,"
	" content='passage', content_rowid='id',"
	" tokenize='porter unicode61');";

static const char *const stopwords[] = {
	"a",	"an",	"and", "are",  "as",  "at",  "be",    "by",  "can",
	"do",	"does", "for", "from", "how", "i",   "if",    "in",  "into",
	"is",	"it",	"my",  "not",  "of",  "on",  "or",    "so",  "than",
	"this", "that", "the", "then", "to",  "who", "which", "why", "with",
};

struct connection {
	sqlite3 *database;
	sqlite3_stmt *ask[ASKS];
};

static struct {
	pthread_key_t key;	  /* a thread's struct connection */
	struct connection *first; /* keeps the database alive */
} words;

static void disconnect(void *arg)
{
	struct connection *c = arg;

	for (size_t i = 0; i < ASKS; i++)
		sqlite3_finalize(c->ask[i]);
	sqlite3_close(c->database);
	free(c);
}

static struct connection *connect_new(void)
{
	struct connection *c = calloc(1, sizeof(*c));
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
		    SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;

	if (!c)
		return NULL;
	if (sqlite3_open_v2(DATABASE, &c->database, flags, NULL) == SQLITE_OK)
		return c;
	disconnect(c);
	return NULL;
}

static struct connection *connection(void)
{
	struct connection *c = pthread_getspecific(words.key);

	if (c)
		return c;
	c = connect_new();
	if (!c)
		return NULL;
	sqlite3_busy_timeout(c->database, 10000);
	/* KiB: full soon, so that what grows for long is a fault. */
	sqlite3_exec(c->database, "PRAGMA cache_size = -64", NULL, NULL, NULL);
	for (size_t i = 0; i < ASKS; i++) {
		if (sqlite3_prepare_v3(c->database, statements[i], -1,
				       SQLITE_PREPARE_PERSISTENT, &c->ask[i],
				       NULL) != SQLITE_OK) {
			disconnect(c);
			return NULL;
		}
	}
	pthread_setspecific(words.key, c);
	return c;
}

static int64_t add(struct connection *c, const char *title, const char *text)
{
	sqlite3_stmt *insert = c->ask[ASK_INSERT], *index = c->ask[ASK_INDEX];
	int64_t id = -1;

	sqlite3_bind_text(insert, 1, title, -1, SQLITE_STATIC);
	sqlite3_bind_text(insert, 2, text, -1, SQLITE_STATIC);
	if (sqlite3_step(insert) == SQLITE_DONE) {
		id = sqlite3_last_insert_rowid(c->database);
		sqlite3_bind_text(index, 1, title, -1, SQLITE_STATIC);
		sqlite3_bind_text(index, 2, text, -1, SQLITE_STATIC);
		sqlite3_bind_int64(index, 3, id);
		if (sqlite3_step(index) != SQLITE_DONE)
			id = -1;
		sqlite3_reset(index);
	}
	sqlite3_reset(insert);
	return id;
}

bool words_open(const struct corpus *corpus)
{
	struct connection *c;
	bool ok = true;

	words.first = connect_new();
	if (!words.first || pthread_key_create(&words.key, disconnect) != 0 ||
	    sqlite3_exec(words.first->database, schema, NULL, NULL, NULL) !=
		    SQLITE_OK)
		return false;
	c = connection();
	if (!c)
		return false;
	sqlite3_exec(c->database, "PRAGMA cache_size = -8192; BEGIN", NULL,
		     NULL, NULL);
	for (size_t i = 0; ok && i < corpus->count; i++)
		ok = add(c, corpus->passages[i].title,
			 corpus->passages[i].text) > 0;
	return ok && sqlite3_exec(c->database,
				  "INSERT INTO words(words)"
				  " VALUES ('optimize'); COMMIT",
				  NULL, NULL, NULL) == SQLITE_OK;
}

void words_close(void)
{
	struct connection *c = pthread_getspecific(words.key);

	if (c)
		disconnect(c);
	pthread_key_delete(words.key);
	disconnect(words.first);
}

static bool is_stopword(const char *word, size_t len)
{
	for (size_t i = 0; i < sizeof(stopwords) / sizeof(*stopwords); i++) {
		if (strlen(stopwords[i]) == len &&
		    strncasecmp(stopwords[i], word, len) == 0)
			return true;
	}
	return false;
}

/* FTS5's syntax for: any of these words.  False: there is none. */
static bool match_expression(const char *query, char *out, size_t room)
{
	size_t at = 0, count = 0;

	while (*query && count < QUERY_WORDS) {
		size_t len = 0;

		while (isalnum((unsigned char)query[len]) || query[len] == '_')
			len++;
		if (len && !is_stopword(query, len) && at + len + 8 < room) {
			at += (size_t)snprintf(out + at, room - at,
					       "%s\"%.*s\"",
					       count ? " OR " : "", (int)len,
					       query);
			count++;
		}
		query += len ? len : 1;
	}
	return count > 0;
}

size_t words_search(const char *query, int64_t *ids, size_t limit)
{
	struct connection *c = connection();
	char expression[2048];
	size_t count = 0;

	if (!c || !match_expression(query, expression, sizeof(expression)))
		return 0;
	sqlite3_bind_text(c->ask[ASK_MATCH], 1, expression, -1, SQLITE_STATIC);
	sqlite3_bind_int64(c->ask[ASK_MATCH], 2, (int64_t)limit);
	while (count < limit && sqlite3_step(c->ask[ASK_MATCH]) == SQLITE_ROW)
		ids[count++] = sqlite3_column_int64(c->ask[ASK_MATCH], 0);
	sqlite3_reset(c->ask[ASK_MATCH]);
	return count;
}

static char *column(sqlite3_stmt *row, int n)
{
	const char *text = (const char *)sqlite3_column_text(row, n);

	return strdup(text ? text : "");
}

bool words_passage(const char *query, int64_t id, struct words_passage *out)
{
	struct connection *c = connection();
	char expression[2048];
	sqlite3_stmt *text, *snippet;

	*out = (struct words_passage) { NULL, NULL, NULL };
	if (!c)
		return false;
	text = c->ask[ASK_TEXT];
	snippet = c->ask[ASK_SNIPPET];
	sqlite3_bind_int64(text, 1, id);
	if (sqlite3_step(text) == SQLITE_ROW) {
		out->title = column(text, 0);
		out->text = column(text, 1);
	}
	sqlite3_reset(text);
	if (match_expression(query, expression, sizeof(expression))) {
		sqlite3_bind_text(snippet, 1, expression, -1, SQLITE_STATIC);
		sqlite3_bind_int64(snippet, 2, id);
		if (sqlite3_step(snippet) == SQLITE_ROW)
			out->snippet = column(snippet, 0);
		sqlite3_reset(snippet);
	}
	if (!out->snippet && out->text)
		out->snippet = strndup(out->text, 160);
	return out->text != NULL;
}

int64_t words_add(const char *title, const char *text)
{
	struct connection *c = connection();

	return c ? add(c, title, text) : -1;
}
