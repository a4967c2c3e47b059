#include "tests/servers/load/mix.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What people ask about Python's library. */
static const char *const queries[] = {
	"parse a json document into python objects",
	"read the lines of a compressed file",
	"run a function in a pool of worker threads",
	"match groups of a regular expression",
	"difference between two dates in days",
	"convert bytes to an integer with byte order",
	"accept connections on a listening socket",
	"write rows of a csv file with a header",
	"cache the results of a function",
	"shallow and deep copies of nested lists",
	"temporary directory removed on exit",
	"escape special characters in html",
	"random sample without replacement",
	"parse command line arguments with subcommands",
	"timeout while waiting for a subprocess",
	"iterate over permutations and combinations",
};

static const char *const roles[] = { "search", "vector", "chat", "ingest",
				     "memory" };
const char *const mix_names[] = { "search", "vector",	 "chat", "ingest",
				  "memory", "/ANY/PATH", NULL };

static bool known(const char *name)
{
	if (name[0] == '/')
		return true;
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
		if (strcmp(roles[i], name) == 0)
			return true;
	}
	return false;
}

const char *mix_parse(struct mix *m, char *text)
{
	char *rest = text, *word;

	while ((word = strsep(&rest, ","))) {
		struct mix_kind *kind = &m->kinds[m->count];
		char *weight = strrchr(word, '=');

		if (m->count == MIX_MAX_KINDS)
			return word;
		kind->weight = 1;
		if (weight) {
			*weight = '\0';
			kind->weight = (unsigned)strtoul(weight + 1, NULL, 10);
		}
		if (!known(word) || !kind->weight)
			return word;
		kind->name = word;
		m->count++;
	}
	return NULL;
}

/* Smooth weighted round robin: never two of the rare kind in a row. */
static struct mix_kind *next_kind(struct mix *m)
{
	struct mix_kind *best = NULL;
	int total = 0;

	for (size_t i = 0; i < m->count; i++) {
		struct mix_kind *kind = &m->kinds[i];

		kind->credit += (int)kind->weight;
		total += (int)kind->weight;
		if (!best || kind->credit > best->credit)
			best = kind;
	}
	best->credit -= total;
	return best;
}

static size_t put_get(const struct mix *m, const char *path, char *out)
{
	return (size_t)snprintf(out, MIX_REQUEST_SIZE,
				"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path,
				m->host);
}

static size_t put_post(const struct mix *m, const char *path, const char *body,
		       char *out)
{
	return (size_t)snprintf(out, MIX_REQUEST_SIZE,
				"POST %s HTTP/1.1\r\nHost: %s\r\n"
				"Content-Type: application/json\r\n"
				"Content-Length: %zu\r\n\r\n%s",
				path, m->host, strlen(body), body);
}

size_t mix_next(struct mix *m, char *out, size_t *len)
{
	struct mix_kind *kind = next_kind(m);
	uint64_t n = kind->made++;
	char text[256], body[512];

	snprintf(text, sizeof(text), "%s", queries[n % 16]);
	if (m->unique)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 " case%" PRIx64 "x%" PRIu64, m->unique, n);
	if (strcmp(kind->name, "search") == 0) {
		snprintf(body, sizeof(body), "{\"query\": \"%s\"}", text);
		*len = put_post(m, "/api/v1/retrieval/search", body, out);
	} else if (strcmp(kind->name, "vector") == 0) {
		snprintf(body, sizeof(body),
			 "{\"query\": \"%s\", \"mode\": \"vector\"}", text);
		*len = put_post(m, "/api/v1/retrieval/search", body, out);
	} else if (strcmp(kind->name, "chat") == 0) {
		snprintf(body, sizeof(body),
			 "{\"message\": \"%s\", \"session_id\": \"s%u\"}", text,
			 (unsigned)(n % 64));
		*len = put_post(m, "/api/v1/chat", body, out);
	} else if (strcmp(kind->name, "ingest") == 0) {
		snprintf(body, sizeof(body),
			 "{\"documents\": [{\"title\": \"note%" PRIu64 "\","
			 " \"text\": \"How to %s, noted down.\"}]}",
			 n, text);
		*len = put_post(m, "/api/v1/retrieval/ingest", body, out);
	} else if (strcmp(kind->name, "memory") == 0) {
		snprintf(body, sizeof(body),
			 "/api/v1/memory/search?session_id=s%u",
			 (unsigned)(n % 64));
		*len = put_get(m, body, out);
	} else {
		*len = put_get(m, kind->name, out);
	}
	return (size_t)(kind - m->kinds);
}
