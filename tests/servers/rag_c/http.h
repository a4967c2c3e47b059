/*
 * http: the service's endpoints on libmicrohttpd, a thread per connection.
 *
 *   POST /api/v1/retrieval/search   {"query", "top_k", "mode"}
 *   POST /api/v1/chat               {"message", "max_tokens"}: an answer
 *                                   streamed as server-sent events
 *   POST /api/v1/retrieval/ingest   {"documents": [{"title", "text"}]}
 *   GET  /health
 *   GET  /metrics                   Prometheus text
 */
#ifndef RAG_HTTP_H
#define RAG_HTTP_H

#include <stdint.h>

struct vectors;
struct http;

/* Serves @vs on loopback until http_stop(); NULL: the port is taken. */
struct http *http_start(uint16_t port, struct vectors *vs);
void http_stop(struct http *h);

#endif
