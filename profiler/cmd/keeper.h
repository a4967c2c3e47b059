/*
 * keeper: a thread that gives a recording's space back while it grows
 * (trace/digest.h).  Folding a second of a busy exact recording can take a
 * good part of one; on a thread of its own it delays neither the ledger nor
 * the signals of the server.
 */
#ifndef STRANDLINE_CMD_KEEPER_H
#define STRANDLINE_CMD_KEEPER_H

#include <stdint.h>

struct err;
struct keeper;

/* @dir must outlive it.  Signals that the caller blocks stay blocked there. */
int keeper_start(struct keeper **out, const char *dir, struct err *err);
/*
 * Do not go on before @until_ns (CLOCK_MONOTONIC): somebody reads the
 * recording up to an instant, and wants no digest that is past it.  0: go on.
 * From any thread; NULL is fine.
 */
void keeper_hold(struct keeper *k, uint64_t until_ns);
/* Waits for the round in hand.  NULL is fine. */
void keeper_stop(struct keeper *k);

#endif
