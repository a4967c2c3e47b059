/*
 * keeper: a thread that gives a recording's space back while it grows
 * (trace/digest.h).  Folding a second of a busy exact recording can take a
 * good part of one; on a thread of its own it delays neither the ledger nor
 * the signals of the server.
 */
#ifndef STRANDLINE_CMD_KEEPER_H
#define STRANDLINE_CMD_KEEPER_H

struct err;
struct keeper;

/* @dir must outlive it.  Signals that the caller blocks stay blocked there. */
int keeper_start(struct keeper **out, const char *dir, struct err *err);
/* Waits for the round in hand.  NULL is fine. */
void keeper_stop(struct keeper *k);

#endif
