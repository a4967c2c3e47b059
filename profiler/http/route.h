/*
 * route: raw paths -> routes of which there are few, and routes -> dense ids.
 *
 * What differs from request to request becomes "{}": numbers, dates, UUIDs,
 * hex, long random words, addresses with an '@'.  Query, fragment and path
 * parameters (";...") are dropped, bytes that do not print become %XX.  A
 * template given by the user ("/users/{id}", "GET /files/{rest:path}") wins
 * over that, the first that matches.
 *
 * The table hands out at most ROUTES_MAX ids; what comes after is "_OTHER" of
 * its method.  Its memory is the caller's, zeroed, of routes_size() bytes.
 * Lock-free; safe in signal handlers; nothing is ever removed.  A forked
 * child goes on with its copy, or clears it.
 */
#ifndef STRANDLINE_HTTP_ROUTE_H
#define STRANDLINE_HTTP_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/http/parse.h"

#define ROUTES_MAX	     200
#define ROUTES_TEMPLATES_MAX 64
#define ROUTE_TEXT_MAX	     128 /* method, space, route, NUL */

struct routes;

size_t routes_size(void);
/* @memory: routes_size() bytes of zeros, aligned to 8. */
struct routes *routes_init(void *memory);

/*
 * Before other threads use the table.  False: not a template (it begins with
 * neither '/' nor a method and '/'), too long, or one too many.
 */
bool routes_add_template(struct routes *r, const char *text);

/*
 * The id of (method, route of @path), from 1.  *@fresh: this call made it, so
 * that its text is yet to be recorded; may be NULL.  0: another thread is
 * making this very route, or stopped doing so; take it as unknown.
 */
uint32_t routes_id(struct routes *r, enum http_method method, const char *path,
		   size_t len, bool *fresh);

/*
 * The id of @text as it stands, up to @len bytes or what fits, for tables of
 * something else than routes; what comes after ROUTES_MAX is "_OTHER".  As
 * routes_id() else.
 */
uint32_t routes_name(struct routes *r, const char *text, size_t len,
		     bool *fresh);

/* "POST /api/v1/chat"; NULL for an id that was not handed out. */
const char *routes_text(const struct routes *r, uint32_t id);
uint32_t routes_count(const struct routes *r); /* ids are 1 to this */

/* The route of @path alone, NUL-terminated, cut to fit; returns its length. */
size_t route_normalise(char *out, size_t room, const char *path, size_t len);

#endif
