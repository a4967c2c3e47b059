/*
 * strandline detach: make the recorder leave a server.
 */
#include <errno.h>

#include "profiler/attach/inject.h"
#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/cmd/admit.h"
#include "profiler/cmd/commands.h"
#include "profiler/cmd/recorder.h"

static int run(int argc, char **argv, struct err *err)
{
	struct inject_result result;
	struct admitted process;
	struct buf image = BUF_INIT;
	int arg = opt_parse(&cmd_detach, NULL, argc, argv, err), rc;

	if (arg < 0)
		return arg;
	if (argc - arg != 1)
		return err_set(err, -EINVAL, "expected one process: %s",
			       cmd_detach.usage);
	rc = admit(&process, argv[arg], err);
	if (rc < 0)
		return rc;
	rc = recorder_read(&image, err);
	if (rc == 0)
		rc = inject_detach(process.pid, process.pidfd, &image, &result,
				   err);
	buf_free(&image);
	admitted_close(&process);
	return rc;
}

const struct command cmd_detach = {
	.name = "detach",
	.summary = "leave a server that was attached to",
	.usage = "strandline detach PID",
	.details = "Ends what `strandline attach --with inject` began, from "
		   "anywhere: the calls of the server lead to where they led "
		   "before, and the recorder gives its memory and files back. "
		   "The strandline that attached ends as at Ctrl-C. A server "
		   "that nobody is attached to is left as it is.",
	.examples = "strandline detach 1234\tleave it\n",
	.operands = OPERANDS_OTHER,
	.run = run,
};
