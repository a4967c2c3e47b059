/*
 * spans: what the program says of itself, by strandline.h.
 */
#ifndef STRANDLINE_PRELOAD_SPANS_H
#define STRANDLINE_PRELOAD_SPANS_H

void spans_fork_child(void);

#endif
