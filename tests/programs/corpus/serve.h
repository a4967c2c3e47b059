/*
 * serve: HTTP/1.1 over loopback with blocking threads; see corpus.h.
 */
#ifndef CORPUS_SERVE_H
#define CORPUS_SERVE_H

#include <stdbool.h>

/* A socket on a free port of 127.0.0.1, listening; prints the port. */
int serve_listen(void);
/* Start @workers threads that accept from @listener. */
void serve_start(int listener, unsigned workers);
/* No handler runs once this is true; a few may wait in one for long. */
void serve_stop(void);

#endif
