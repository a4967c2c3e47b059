/*
 * strandline serve: recordings as metrics, for a Prometheus to come and get.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>

#include "profiler/base/err.h"
#include "profiler/cmd/commands.h"
#include "profiler/cmd/serve_door.h"
#include "profiler/cmd/serve_state.h"
#include "profiler/cmd/terminal.h"

#define LEAST_INTERVAL_NS 200000000ULL

struct serve_args {
	const char *listen;
	uint64_t interval_ns, top;
	bool quiet;
};

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

static int serve(const struct serve_args *args, char *const *words,
		 size_t count, struct err *err)
{
	struct state_options opt = {
		.words = words,
		.count = count,
		.interval_ns = args->interval_ns,
		.top = args->top > UINT_MAX ? UINT_MAX : (unsigned)args->top,
	};
	struct state *state = NULL;
	sigset_t signals;
	int rc;

	block_signals(&signals);
	rc = door_open(&opt.door, args->listen, err);
	if (rc == 0)
		rc = state_start(&state, &opt, err);
	if (rc == 0 && !args->quiet)
		terminal_note("serving http://%s/metrics; Ctrl-C ends it",
			      door_address(opt.door));
	while (rc == 0 && sigwaitinfo(&signals, NULL) < 0 && errno == EINTR)
		;
	state_stop(state);
	door_close(opt.door);
	return rc;
}

static int run(int argc, char **argv, struct err *err)
{
	struct serve_args args = {
		.listen = "127.0.0.1:9464",
		.interval_ns = 5000000000ULL,
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
		"elsewhere belongs behind a proxy that has them.",
	.examples = "strandline serve python3-1.strand\ta recording, on "
		    "http://127.0.0.1:9464/metrics\n"
		    "strandline serve 4711 --listen :9464\tthe server with "
		    "this process, for everybody on the network\n",
	.options = options,
	.operands = OPERANDS_RECORDING,
	.run = run,
};
