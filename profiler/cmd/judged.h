/*
 * judged: a recording that was read, its wrappers seen through and its verdict
 * made: what a report is written from.
 */
#ifndef STRANDLINE_CMD_JUDGED_H
#define STRANDLINE_CMD_JUDGED_H

#include "profiler/model/model.h"

struct err;
struct opt_list;
struct verdict;

struct judged {
	struct model *model;
	struct verdict *verdict;
};

/* 0, or -errno with a sentence and both NULL. */
int judged_load(struct judged *j, const char *recording, enum model_view view,
		const struct opt_list *wrappers, struct err *err);
void judged_free(struct judged *j);

#endif
