/*
 * requests: what probe_http and probe_handlers saw, written into the files of
 * its processes.
 */
#include "profiler/probe/requests.h"

#include "profiler/base/err.h"
#include "profiler/probe/capture.h"
#include "profiler/probe/handlers.h"
#include "profiler/probe/http.h"
#include "profiler/probe/lately.h"
#include "profiler/trace/probefile.h"

#define SLOW_NS 1000000u

/* One that has joined without a word, or is gone by now. */
static struct probefile *file_of(struct capture *c, pid_t pid)
{
	struct probefile *file = capture_file(c, pid);
	struct err why = ERR_INIT;

	if (!file && capture_add(c, pid, &why) == 0)
		file = capture_file(c, pid);
	return file;
}

/* A clock that ticks a hundred times a second sees nothing of a quick one. */
static void tell_slow(struct capture *c, const struct http_seen *seen)
{
	const struct track_request *r = seen->event->request;
	uint64_t read = r->handler_began ? r->handler_began : r->first_in;

	if (r->last_out < read + SLOW_NS)
		return;
	capture_slow(c, &(struct lately_request) {
				.pid = seen->pid,
				.reader = seen->reader,
				.writer = seen->tid,
				.arrived_ns = r->first_in,
				.read_ns = read,
				.last_ns = r->last_out,
				.route = r->route,
			});
}

void requests_seen(void *capture, const struct http_seen *seen)
{
	const struct track_request *r = seen->event->request;
	struct probefile *file;
	const char *text;
	unsigned flags = 0;

	if (seen->event->type != TRACK_ENDED)
		return;
	file = file_of(capture, seen->pid);
	if (!file)
		return;
	text = routes_text(seen->routes, r->route);
	if (text)
		(void)probefile_route(file, r->route, text);
	if (r->flags & TRACK_CUT)
		flags |= REQUEST_CUT;
	if (r->flags & TRACK_STREAMED)
		flags |= REQUEST_STREAMED;
	/* What cannot be written, the file counts. */
	(void)probefile_request(
		file, &(struct probefile_request) {
			      .at = seen->event->at,
			      .first_in = r->first_in,
			      .read = r->handler_began,
			      .first_out = r->first_out,
			      .last_out = r->last_out,
			      .gap = r->gap,
			      .cpu = seen->cpu_known ? seen->cpu_ns + 1 : 0,
			      .route = r->route,
			      .status = r->status,
			      .flags = (uint8_t)flags,
		      });
	if (probefile_is_slow(file))
		tell_slow(capture, seen);
}

void requests_connected(void *capture, pid_t pid, bool foreign)
{
	struct probefile *file = file_of(capture, pid);

	if (file)
		probefile_connection(file, foreign);
}

void requests_called(struct capture *c, const struct handler_seen *call,
		     const char *name)
{
	uint32_t id = SPAN_NAME_FIRST + (uint32_t)call->handler;
	struct probefile *file = file_of(c, call->pid);

	if (file && probefile_route(file, id, name) == 0)
		(void)probefile_span(file, id, call->began_ns, call->ended_ns);
}
