/*
 * watch: see watch.h.
 */
#include "profiler/cmd/watch.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "profiler/analysis/verdict.h"
#include "profiler/base/err.h"
#include "profiler/cmd/terminal.h"
#include "profiler/cmd/ticker.h"
#include "profiler/model/build.h"

struct watch {
	struct watch_options opt;
	struct ticker *ticker;
	int fd;
	atomic_bool leak; /* set by the thread, read by the session */
	/* the thread's alone */
	enum finding_class told;
	bool lowered;
};

/* Only of this thread: a nice value is per thread on Linux. */
static void lower_priority(struct watch *w)
{
	if (!w->lowered)
		setpriority(PRIO_PROCESS, (id_t)gettid(), 19);
	w->lowered = true;
}

static void note_leak(struct watch *w, const struct verdict *v)
{
	const uint64_t one = 1;

	for (size_t i = 0; i < v->finding_count; i++)
		if (v->findings[i].class == FINDING_LEAK &&
		    v->findings[i].evidence.definite &&
		    !atomic_exchange(&w->leak, true) &&
		    write(w->fd, &one, sizeof(one)) < 0)
			return; /* cannot be full */
}

static void tell(struct watch *w, const struct verdict *v)
{
	if (v->class == w->told)
		return;
	/* That it is too early is no news. */
	if (!w->opt.quiet &&
	    (w->told != FINDING_CLASSES || v->class != FINDING_INCONCLUSIVE))
		terminal_note("verdict so far: %s", v->sentence);
	w->told = v->class;
}

static void judge(void *ctx)
{
	struct watch *w = ctx;
	struct err err = ERR_INIT; /* the next round may have more luck */
	struct verdict *v = NULL;
	struct model *m;

	lower_priority(w);
	if (model_load_naming(&m, w->opt.dir, &err) < 0)
		return;
	if (verdict_of(&v, m, &err) == 0) {
		tell(w, v);
		note_leak(w, v);
	}
	verdict_free(v);
	model_free(m);
}

int watch_start(struct watch **out, const struct watch_options *opt,
		struct err *err)
{
	struct watch *w = calloc(1, sizeof(*w));
	int rc;

	*out = NULL;
	if (!w)
		return err_set(err, -ENOMEM, "out of memory");
	w->opt = *opt;
	w->told = FINDING_CLASSES; /* nothing yet */
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->fd < 0) {
		rc = err_errno(err, "cannot watch %s", opt->dir);
		goto free_watch;
	}
	rc = ticker_start(&w->ticker, opt->interval_ns, judge, w);
	if (rc < 0) {
		err_set(err, rc, "%s: cannot start a thread: %s", opt->dir,
			strerror(-rc));
		goto close_fd;
	}
	*out = w;
	return 0;

close_fd:
	close(w->fd);
free_watch:
	free(w);
	return rc;
}

void watch_stop(struct watch *w)
{
	if (!w)
		return;
	ticker_stop(w->ticker);
	close(w->fd);
	free(w);
}

int watch_fd(const struct watch *w)
{
	return w ? w->fd : -1;
}

bool watch_saw_leak(const struct watch *w)
{
	return w && atomic_load(&w->leak);
}
