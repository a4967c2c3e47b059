/*
 * rag_c: the RAG service in C.  Hybrid search over real text, streamed chat,
 * ingest; a thread for each connection.  See http.h for what it serves and
 * faults.h for what may be planted in it.
 *
 *   rag_c [--port N] [--passages N]    serve until SIGTERM or SIGINT
 *   rag_c --faults                     print the planted faults' truth
 */
#include "tests/servers/rag_c/corpus.h"
#include "tests/servers/rag_c/faults.h"
#include "tests/servers/rag_c/http.h"
#include "tests/servers/rag_c/search.h"
#include "tests/servers/rag_c/words.h"

#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct options {
	uint16_t port;
	size_t passages;
	bool print_faults;
};

static bool parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "passages", required_argument, NULL, 'n' },
		{ "faults", no_argument, NULL, 'f' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'p':
			o->port = (uint16_t)atoi(optarg);
			break;
		case 'n':
			o->passages = strtoul(optarg, NULL, 10);
			break;
		case 'f':
			o->print_faults = true;
			break;
		default:
			return false;
		}
	}
	return optind == argc && o->passages > 0;
}

/* Both indexes over the same passages, with the same ids. */
static bool load(struct vectors *vs, size_t passages)
{
	struct corpus corpus;
	bool ok = corpus_read(&corpus, passages) && words_open(&corpus);

	vectors_init(vs);
	for (size_t i = 0; ok && i < corpus.count; i++) {
		struct vector v;

		vector_embed(&v, corpus.passages[i].text);
		ok = vectors_add(vs, &v);
	}
	corpus_free(&corpus);
	return ok;
}

/* Blocked in all threads, so that sigwait() gets them. */
static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	pthread_sigmask(SIG_BLOCK, set, NULL);
}

int main(int argc, char **argv)
{
	struct options o = { .port = 8000, .passages = 10000 };
	struct vectors vectors;
	struct http *http;
	sigset_t signals;
	int signal;

	if (!parse(&o, argc, argv)) {
		fprintf(stderr, "rag_c [--port N] [--passages N] | --faults\n");
		return 2;
	}
	if (o.print_faults) {
		faults_print(stdout);
		return 0;
	}
	block_signals(&signals);
	if (!load(&vectors, o.passages)) {
		fprintf(stderr, "rag_c: no text was found under /usr\n");
		return 1;
	}
	if (!faults_init()) {
		fprintf(stderr, "rag_c: RAG_FAULT names no fault\n");
		return 2;
	}
	http = http_start(o.port, &vectors);
	if (!http) {
		fprintf(stderr, "rag_c: cannot serve on port %u\n", o.port);
		return 1;
	}
	sigwait(&signals, &signal);
	http_stop(http);
	words_close();
	vectors_fini(&vectors);
	return 0;
}
