/*
 * report: what `run` prints of a recording at its end.
 */
#ifndef STRANDLINE_CMD_REPORT_H
#define STRANDLINE_CMD_REPORT_H

struct err;

/* The text report of @recording on standard output. */
int report_summary(const char *recording, struct err *err);

#endif
