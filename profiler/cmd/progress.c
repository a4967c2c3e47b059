/*
 * progress: a word to the person who waits.
 */
#include "profiler/cmd/progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/cmd/terminal.h"
#include "profiler/cmd/ticker.h"

#define PATIENCE_S   2	/* what is shorter needs no word */
#define PLAIN_EACH_S 10 /* where the lines stay */

struct progress {
	struct ticker *ticker;
	char *what;
	bool terminal, shown;
	unsigned seconds;
};

static void tick(void *ctx)
{
	struct progress *p = ctx;

	p->seconds++;
	if (p->seconds < PATIENCE_S)
		return;
	if (p->terminal) {
		fprintf(stderr, "\r%s, %u s", p->what, p->seconds);
		p->shown = true;
	} else if ((p->seconds - PATIENCE_S) % PLAIN_EACH_S == 0) {
		terminal_note("%s, %u s so far", p->what, p->seconds);
	}
}

struct progress *progress_begin(const char *doing, const char *object)
{
	struct progress *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->terminal = isatty(STDERR_FILENO) == 1;
	if (asprintf(&p->what, "%s %s", doing, object) < 0)
		p->what = NULL;
	if (p->what && ticker_start(&p->ticker, 1000000000ULL, tick, p) == 0)
		return p;
	free(p->what);
	free(p);
	return NULL;
}

void progress_end(struct progress *p)
{
	if (!p)
		return;
	ticker_stop(p->ticker);
	if (p->shown)
		fprintf(stderr, "\r%*s\r", (int)strlen(p->what) + 16, "");
	free(p->what);
	free(p);
}
