/*
 * requests: prints the requests that the kernel sees processes answer.
 *
 *	requests PID...
 *
 * Until SIGTERM or SIGINT.  A line for each request that ended, of numbers
 * but for the last word: pid status flags arrived read first_out last_out gap
 * bytes_out METHOD route (times in ns of CLOCK_MONOTONIC).  Then "# name
 * count" for each counter, "did" before the name where it is no loss.  Says "#
 *ready" when it is.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/err.h"
#include "profiler/probe/http.h"
#include "profiler/probe/probe.h"
#include "profiler/proc/family.h"

#define DRAIN_MS  20
#define SETTLE_MS 2000 /* machines that run many tests at once are slow */

static volatile sig_atomic_t over;

static void end(int sig)
{
	(void)sig;
	over = 1;
}

static void print_request(void *context, const struct http_seen *seen)
{
	const struct track_request *r = seen->event->request;
	const char *route = routes_text(seen->routes, r->route);

	(void)context;
	if (seen->event->type != TRACK_ENDED)
		return;
	printf("%d %u %u %llu %llu %llu %llu %llu %llu %s\n", (int)seen->pid,
	       r->status, r->flags, (unsigned long long)r->first_in,
	       (unsigned long long)r->handler_began,
	       (unsigned long long)r->first_out,
	       (unsigned long long)r->last_out, (unsigned long long)r->gap,
	       (unsigned long long)r->bytes_out, route ? route : "? ?");
}

static void print_note(void *context, const char *sentence)
{
	(void)context;
	fprintf(stderr, "%s\n", sentence);
}

static void print_counters(const struct probes *set)
{
	struct probe_counter c;

	for (size_t n = 0; probes_counter(set, n, &c); n++)
		printf("# %s%s %s: %llu\n", c.did ? "did " : "", c.probe,
		       c.reason, (unsigned long long)c.count);
}

static void add(void *set, pid_t pid)
{
	struct err why = ERR_INIT;

	if (!probes_is_target(set, pid))
		(void)probes_target(set, pid, 0, &why);
}

int main(int argc, char **argv)
{
	const struct probes_options session = { .follow = true };
	const struct http_probe_options http = { .seen = print_request,
						 .note = print_note };
	struct err err = ERR_INIT;
	struct probes *set;
	int rc = probes_open(&set, &session, &err);

	if (rc == 0)
		rc = probes_add(set, &probe_http, &http, &err);
	for (int i = 1; i < argc && rc == 0; i++)
		rc = probes_target(set, atoi(argv[i]), 0, &err);
	if (rc == 0)
		rc = probes_attach(set, &err);
	if (rc < 0) {
		fprintf(stderr, "requests: %s\n", err.text);
		probes_close(set);
		return rc == -ENOTSUP || rc == -EPERM ? 77 : 1;
	}
	/* What began between the caller's look and ours. */
	for (int i = 1; i < argc; i++)
		family_each(atoi(argv[i]), add, set);
	signal(SIGINT, end);
	signal(SIGTERM, end);
	puts("# ready");
	fflush(stdout);
	while (!over)
		probes_drain(set, DRAIN_MS);
	probes_settle(set, SETTLE_MS);
	print_counters(set);
	probes_close(set);
	return 0;
}
