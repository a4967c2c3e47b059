#include "tests/servers/rag_c/http.h"

#include "tests/servers/rag_c/answer.h"
#include "tests/servers/rag_c/faults.h"
#include "tests/servers/rag_c/search.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_LIMIT	 (1024 * 1024)
#define CONTEXT_PASSAGES 4

enum route { SEARCH, CHAT, INGEST, HEALTH, METRICS, ROUTES };

struct request { /* one, from its first header to its end */
	struct http *http;
	char *body;
	size_t len;
};

struct endpoint {
	const char *method, *path;
	enum MHD_Result (*serve)(struct http *h, struct MHD_Connection *c,
				 const json_t *asked);
};

struct http {
	struct MHD_Daemon *daemon;
	struct vectors *vectors;
	uint64_t served[ROUTES], refused; /* relaxed atomics */
};

static void count(uint64_t *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static enum MHD_Result send_response(struct MHD_Connection *c, unsigned status,
				     const char *type, struct MHD_Response *r)
{
	enum MHD_Result result;

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "Content-Type", type);
	result = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return result;
}

/* Takes @text, which is the C library's. */
static enum MHD_Result send_text(struct MHD_Connection *c, unsigned status,
				 const char *type, char *text)
{
	if (!text)
		return MHD_NO;
	return send_response(
		c, status, type,
		MHD_create_response_from_buffer(strlen(text), text,
						MHD_RESPMEM_MUST_FREE));
}

static enum MHD_Result send_json(struct MHD_Connection *c, unsigned status,
				 json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);

	json_decref(value);
	return send_text(c, status, "application/json", text);
}

static enum MHD_Result refuse(struct http *h, struct MHD_Connection *c,
			      unsigned status, const char *why)
{
	count(&h->refused);
	return send_json(c, status, json_pack("{s:s}", "detail", why));
}

static enum MHD_Result serve_search(struct http *h, struct MHD_Connection *c,
				    const json_t *asked)
{
	const char *query = json_string_value(json_object_get(asked, "query"));
	const char *mode = json_string_value(json_object_get(asked, "mode"));
	json_int_t top_k = json_integer_value(json_object_get(asked, "top_k"));
	struct search_result *found;
	json_t *hits = json_array();

	if (!query || !*query)
		return refuse(h, c, 422, "query is missing");
	if (top_k < 1 || top_k > SEARCH_LIMIT)
		top_k = 8;
	found = search(h->vectors, query, (size_t)top_k,
		       mode && strcmp(mode, "vector") == 0);
	if (!found)
		return MHD_NO;
	faults_on_search(query);
	for (size_t i = 0; i < found->count; i++) {
		const struct search_hit *hit = &found->hits[i];

		json_array_append_new(hits,
				      json_pack("{s:I,s:f,s:s,s:s}", "id",
						(json_int_t)hit->id, "score",
						hit->score, "title", hit->title,
						"snippet", hit->snippet));
	}
	search_free(found);
	return send_json(c, 200,
			 json_pack("{s:s,s:s,s:I,s:o}", "query", query, "mode",
				   mode ? mode : "hybrid", "total",
				   (json_int_t)json_array_size(hits), "hits",
				   hits));
}

/* One event for each call; libmicrohttpd makes a chunk of it. */
static ssize_t next_event(void *arg, uint64_t at, char *out, size_t room)
{
	const char *word = answer_next(arg);
	json_t *event;
	size_t len;

	(void)at;
	if (!word)
		return MHD_CONTENT_READER_END_OF_STREAM;
	event = json_pack("{s:s}", "token", word);
	memcpy(out, "data: ", 6);
	len = 6 + json_dumpb(event, out + 6, room - 8, JSON_COMPACT);
	json_decref(event);
	memcpy(out + len, "\n\n", 2);
	return (ssize_t)len + 2;
}

static void end_answer(void *arg)
{
	answer_free(arg);
}

static enum MHD_Result serve_chat(struct http *h, struct MHD_Connection *c,
				  const json_t *asked)
{
	const char *message =
		json_string_value(json_object_get(asked, "message"));
	json_int_t tokens =
		json_integer_value(json_object_get(asked, "max_tokens"));
	struct search_result *found;
	struct answer *answer;

	if (!message || !*message)
		return refuse(h, c, 422, "message is missing");
	if (tokens < 1 || tokens > 1024)
		tokens = 48;
	found = search(h->vectors, message, CONTEXT_PASSAGES, false);
	if (!found)
		return MHD_NO;
	faults_on_chat(message);
	answer = answer_new(found, message, (size_t)tokens);
	search_free(found);
	if (!answer)
		return MHD_NO;
	return send_response(c, 200, "text/event-stream",
			     MHD_create_response_from_callback(MHD_SIZE_UNKNOWN,
							       4096, next_event,
							       answer,
							       end_answer));
}

static enum MHD_Result serve_ingest(struct http *h, struct MHD_Connection *c,
				    const json_t *asked)
{
	json_t *documents = json_object_get(asked, "documents"), *document;
	json_t *ids = json_array();
	size_t i;

	json_array_foreach(documents, i, document)
	{
		const char *title, *text;

		if (json_unpack(document, "{s:s,s:s}", "title", &title, "text",
				&text) == 0)
			json_array_append_new(
				ids, json_integer(search_ingest(h->vectors,
								title, text)));
	}
	return send_json(c, 200,
			 json_pack("{s:o,s:I}", "ids", ids, "passages",
				   (json_int_t)vectors_count(h->vectors)));
}

static enum MHD_Result serve_health(struct http *h, struct MHD_Connection *c,
				    const json_t *asked)
{
	(void)asked;
	return send_json(c, 200,
			 json_pack("{s:s,s:I,s:s}", "status", "ok", "passages",
				   (json_int_t)vectors_count(h->vectors),
				   "fault", faults_name()));
}

static enum MHD_Result serve_metrics(struct http *h, struct MHD_Connection *c,
				     const json_t *asked);

static const struct endpoint endpoints[ROUTES] = {
	[SEARCH] = { "POST", "/api/v1/retrieval/search", serve_search },
	[CHAT] = { "POST", "/api/v1/chat", serve_chat },
	[INGEST] = { "POST", "/api/v1/retrieval/ingest", serve_ingest },
	[HEALTH] = { "GET", "/health", serve_health },
	[METRICS] = { "GET", "/metrics", serve_metrics },
};

static enum MHD_Result serve_metrics(struct http *h, struct MHD_Connection *c,
				     const json_t *asked)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)asked;
	if (!out)
		return MHD_NO;
	fprintf(out, "# TYPE http_requests_total counter\n");
	for (size_t i = 0; i < ROUTES; i++)
		fprintf(out,
			"http_requests_total{method=\"%s\",route=\"%s\"}"
			" %llu\n",
			endpoints[i].method, endpoints[i].path,
			(unsigned long long)h->served[i]);
	fprintf(out,
		"# TYPE http_requests_refused_total counter\n"
		"http_requests_refused_total %llu\n"
		"# TYPE rag_passages gauge\nrag_passages %zu\n",
		(unsigned long long)h->refused, vectors_count(h->vectors));
	fclose(out);
	return send_text(c, 200, "text/plain; version=0.0.4", text);
}

static bool append(struct request *r, const char *bytes, size_t len)
{
	char *grown;

	if (r->len + len > BODY_LIMIT)
		return false;
	grown = realloc(r->body, r->len + len);
	if (!grown)
		return false;
	memcpy(grown + r->len, bytes, len);
	r->body = grown;
	r->len += len;
	return true;
}

static enum MHD_Result serve(struct http *h, struct MHD_Connection *c,
			     const char *method, const char *path,
			     const struct request *r)
{
	for (size_t i = 0; i < ROUTES; i++) {
		enum MHD_Result result;
		json_t *asked;

		if (strcmp(endpoints[i].path, path) != 0 ||
		    strcmp(endpoints[i].method, method) != 0)
			continue;
		asked = json_loadb(r->body ? r->body : "", r->len, 0, NULL);
		if (strcmp(method, "POST") == 0 && !json_is_object(asked)) {
			json_decref(asked);
			return refuse(h, c, 422, "the body is no JSON object");
		}
		count(&h->served[i]);
		result = endpoints[i].serve(h, c, asked);
		json_decref(asked);
		return result;
	}
	return refuse(h, c, 404, "no such endpoint");
}

/* Called for the headers, for each part of the body, and for its end. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *c,
				  const char *path, const char *method,
				  const char *version, const char *bytes,
				  size_t *len, void **state)
{
	struct request *r = *state;

	(void)version;
	if (!r) {
		*state = r = calloc(1, sizeof(*r));
		if (r)
			r->http = arg;
		return r ? MHD_YES : MHD_NO;
	}
	if (*len) {
		bool ok = append(r, bytes, *len);

		*len = 0;
		return ok ? MHD_YES : MHD_NO;
	}
	return serve(r->http, c, method, path, r);
}

static void on_end(void *arg, struct MHD_Connection *c, void **state,
		   enum MHD_RequestTerminationCode how)
{
	struct request *r = *state;

	(void)arg;
	(void)c;
	(void)how;
	if (r)
		free(r->body);
	free(r);
	*state = NULL;
}

struct http *http_start(uint16_t port, struct vectors *vs)
{
	struct sockaddr_in loopback = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct http *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->vectors = vs;
	h->daemon = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION |
					     MHD_USE_INTERNAL_POLLING_THREAD,
				     port, NULL, NULL, on_request, h,
				     MHD_OPTION_SOCK_ADDR, &loopback,
				     MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL,
				     MHD_OPTION_END);
	if (h->daemon)
		return h;
	free(h);
	return NULL;
}

void http_stop(struct http *h)
{
	MHD_stop_daemon(h->daemon);
	free(h);
}
