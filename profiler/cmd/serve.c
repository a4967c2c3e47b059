/*
 * strandline serve: recordings as metrics, for a Prometheus to come and get.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>

#include "profiler/base/err.h"
#include "profiler/cmd/commands.h"
#include "profiler/cmd/push.h"
#include "profiler/cmd/serve_door.h"
#include "profiler/cmd/serve_state.h"
#include "profiler/cmd/terminal.h"

#define LEAST_INTERVAL_NS 200000000ULL

struct serve_args {
	const char *listen;
	uint64_t interval_ns, top;
	bool quiet;
	const char *push, *push_api, *push_name, *push_auth, *push_ca;
	uint64_t push_every_ns, push_pause_ns;
	struct opt_list push_labels;
};

/* In the order of enum push_api. */
static const char *api_choice(size_t n)
{
	static const char *const names[] = { "pyroscope", "parca", NULL };

	return names[n];
}

#define AT(field) offsetof(struct serve_args, field)

static const struct opt options[] = {
	{ 'l', "listen", OPT_TEXT, AT(listen), "ADDRESS",
	  "where to listen: HOST:PORT, PORT, or :PORT for everybody (default "
	  "127.0.0.1:9464)",
	  NULL, false },
	{ 0, "refresh", OPT_DURATION, AT(interval_ns), "DURATION",
	  "how often recordings are read again (default 5s)", NULL, false },
	{ 0, "top", OPT_COUNT, AT(top), "N",
	  "how many of the heaviest sites are told (default 20)", NULL, false },
	{ 0, "push", OPT_TEXT, AT(push), "URL",
	  "send profiles to this store as well", NULL, false },
	{ 0, "push-api", OPT_CHOICE, AT(push_api), "API",
	  "what the store speaks (default pyroscope)", api_choice, false },
	{ 0, "push-every", OPT_DURATION, AT(push_every_ns), "DURATION",
	  "how often (default 15s)", NULL, false },
	{ 0, "push-name", OPT_TEXT, AT(push_name), "NAME",
	  "under what name (default: the server's program)", NULL, false },
	{ 0, "push-label", OPT_LIST, AT(push_labels), "NAME=VALUE",
	  "a label of the profiles (repeatable)", NULL, false },
	{ 0, "push-auth", OPT_TEXT, AT(push_auth), "FILE",
	  "user:password or a bearer token for the store", NULL, false },
	{ 0, "push-ca", OPT_TEXT, AT(push_ca), "FILE",
	  "certificates to know the store by (default: the system's)", NULL,
	  false },
	{ 0, "push-pause", OPT_DURATION, AT(push_pause_ns), "DURATION",
	  "before a failed push is tried again (default 1s); it doubles with "
	  "each failure, to a minute at most",
	  NULL, false },
	{ 'q', "quiet", OPT_FLAG, AT(quiet), NULL, "do not say where it is",
	  NULL, false },
	{ 0 },
};

/* Before any thread begins, so that all have them blocked. */
static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGPIPE);
	sigprocmask(SIG_BLOCK, set, NULL);
	sigdelset(set, SIGPIPE);
}

static int start_push(struct push **out, const struct serve_args *args,
		      struct err *err)
{
	struct push_options opt = {
		.url = args->push,
		.auth_file = args->push_auth,
		.ca_file = args->push_ca,
		.labels = args->push_labels.at,
		.label_count = args->push_labels.count,
		.pause_ns = args->push_pause_ns,
	};

	while (strcmp(api_choice(opt.api), args->push_api) != 0)
		opt.api++;
	return args->push ? push_start(out, &opt, err) : 0;
}

static void end_push(struct push *push)
{
	struct push_counts c = { 0 };

	push_stop(push, &c);
	if (c.dropped + c.refused + c.queued)
		terminal_note("of %llu profiles %llu were pushed; lost are "
			      "%llu that the queue had no room for, %llu that "
			      "were refused and %llu that still waited",
			      (unsigned long long)(c.sent + c.dropped +
						   c.refused + c.queued),
			      (unsigned long long)c.sent,
			      (unsigned long long)c.dropped,
			      (unsigned long long)c.refused,
			      (unsigned long long)c.queued);
}

static int serve(const struct serve_args *args, char *const *words,
		 size_t count, struct err *err)
{
	struct state_options opt = {
		.words = words,
		.count = count,
		.interval_ns = args->interval_ns,
		.top = args->top > UINT_MAX ? UINT_MAX : (unsigned)args->top,
		.push_every_ns = args->push_every_ns,
		.push_name = args->push_name,
	};
	struct state *state = NULL;
	sigset_t signals;
	int rc;

	block_signals(&signals);
	rc = door_open(&opt.door, args->listen, err);
	if (rc == 0)
		rc = start_push(&opt.push, args, err);
	if (rc == 0)
		rc = state_start(&state, &opt, err);
	if (rc == 0 && !args->quiet)
		terminal_note("serving http://%s/metrics; Ctrl-C ends it",
			      door_address(opt.door));
	while (rc == 0 && sigwaitinfo(&signals, NULL) < 0 && errno == EINTR)
		;
	state_stop(state);
	end_push(opt.push);
	door_close(opt.door);
	return rc;
}

static int run(int argc, char **argv, struct err *err)
{
	struct serve_args args = {
		.listen = "127.0.0.1:9464",
		.interval_ns = 5000000000ULL,
		.push_api = "pyroscope",
		.push_every_ns = 15000000000ULL,
		.push_pause_ns = 1000000000ULL,
	};
	int arg = opt_parse(&cmd_serve, &args, argc, argv, err);

	if (arg < 0)
		return arg;
	if (arg == argc)
		return err_set(err, -EINVAL,
			       "expected a recording or a process: %s",
			       cmd_serve.usage);
	if (args.interval_ns < LEAST_INTERVAL_NS)
		return err_set(err, -EINVAL,
			       "--refresh is too short: 200ms is the least");
	if (args.push_pause_ns == 0)
		return err_set(err, -EINVAL, "--push-pause is too short");
	return serve(&args, argv + arg, (size_t)(argc - arg), err);
}

const struct command cmd_serve = {
	.name = "serve",
	.summary = "serve metrics to a Prometheus",
	.usage = "strandline serve RECORDING|PID... [-l ADDRESS]",
	.details =
		"Answers /metrics with what the recordings say, in the format "
		"of OpenMetrics 1.0.0 or of Prometheus' text 0.0.4, whichever "
		"is asked for: the processes, where their memory is, requests "
		"and their latencies by route, the verdict, the heaviest "
		"sites, what was lost, and what all this costs. /healthz says "
		"whether the recordings can be read.\n\n"
		"A recording in progress is read again and again as it grows, "
		"at the lowest priority. It is named by its directory, or by a "
		"process that records into it. Where several are served, each "
		"series has the label recording.\n\n"
		"Only this host is listened to unless --listen says otherwise, "
		"and there is no encryption and no password: what asks from "
		"elsewhere belongs behind a proxy that has them.\n\n"
		"With --push the heap's profile goes to a store, in pprof's "
		"format: Pyroscope's /ingest, Parca's writeraw, or what takes "
		"the same. Where the URL has no path, theirs is added. Of a "
		"store that fails the last 16 profiles are kept, 32 MiB at "
		"most, and tried again; what is lost is counted, in the "
		"metrics and at the end.",
	.examples = "strandline serve python3-1.strand\ta recording, on "
		    "http://127.0.0.1:9464/metrics\n"
		    "strandline serve 4711 --listen :9464\tthe server with "
		    "this process, for everybody on the network\n"
		    "strandline serve 4711 --push https://pyroscope:4040 "
		    "--push-auth token\tprofiles every 15 seconds\n",
	.options = options,
	.operands = OPERANDS_RECORDING,
	.run = run,
};
