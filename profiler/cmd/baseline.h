/*
 * baseline: past runs to hold a new one against: a recording, or a folder of
 * them.
 */
#ifndef STRANDLINE_CMD_BASELINE_H
#define STRANDLINE_CMD_BASELINE_H

#include <stddef.h>

struct err;
struct measure;
struct opt_list;

#define BASELINE_MOST 10 /* of a folder, the last ones */

struct baseline {
	struct measure *runs[BASELINE_MOST];
	size_t count;
};

/*
 * Read @path.  Of a folder the last ten recordings are taken, by when they
 * began; those of another program than @like are left out with a note, as is
 * one that cannot be read, and @like itself where it lies in there.  @like may
 * be NULL: then the newest says which program it is.  @wrappers are seen
 * through.  0, or -errno with a sentence; -EINVAL where no run is left.
 */
int baseline_load(struct baseline *b, const char *path,
		  const struct measure *like, const struct opt_list *wrappers,
		  struct err *err);
void baseline_free(struct baseline *b);

#endif
