/*
 * ledger: the columns of the memory ledger by name, and the reading that the
 * summary shows.
 */
#ifndef STRANDLINE_REPORTS_LEDGER_H
#define STRANDLINE_REPORTS_LEDGER_H

#include "profiler/model/model.h"

#define LEDGER_UNREAD UINT64_MAX

struct ledger_column {
	const char *name;
	size_t offset; /* of the value in struct model_ledger_point */
};

extern const struct ledger_column ledger_columns[];
extern const size_t ledger_column_count;

uint64_t ledger_value(const struct model_ledger_point *p,
		      const struct ledger_column *column);

/* The main process's last reading with @column, or NULL. */
const struct model_ledger_point *ledger_last(
	const struct model *m, const struct ledger_column *column);
const struct ledger_column *ledger_column(const char *name);

/* The process the summary is about; 0 when there is none. */
int32_t ledger_main_pid(const struct model *m);

/*
 * RSS by what it is used for.  LEDGER_UNREAD for a part that is not known.
 * Live heap counts bytes asked for, and may be an estimate: what of it is more
 * than there is private memory is in no page of RSS.
 */
struct ledger_split {
	double t;
	uint64_t rss;
	uint64_t live;	    /* blocks in use, as far as they are resident */
	uint64_t absent;    /* bytes of such blocks that cannot be */
	uint64_t retained;  /* free, kept by the allocator */
	uint64_t anonymous; /* private memory that is neither, e.g. mmap */
	uint64_t file, stacks;
	uint64_t self; /* the shim and its recording */
};

/* The last reading that splits RSS; false when there is none. */
bool ledger_split(const struct model *m, struct ledger_split *split);

#endif
