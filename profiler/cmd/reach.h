/*
 * reach: scans the processes of a run for blocks that nothing refers to.
 *
 * When: 2, 8 and 30 seconds after a process began to record, each minute from
 * then on, later where scans would cost it more than a hundredth of the time
 * (rota.h); before we ask it to end, at the end of --duration or on a signal
 * that we pass on (Ctrl-C reaches it by itself, at the same time); and when it
 * exits by itself, which waits for the snapshot, a second at most.  A process
 * that ends within two seconds is not scanned.
 *
 * Snapshots are taken and released by the owner's thread, in reach_work() and
 * reach_last(): they stop a process for milliseconds.  Reading the recording
 * and looking through snapshots, which takes seconds, is done by a thread at
 * nice 19, one after the other.  What was found goes into host.slabs.
 */
#ifndef STRANDLINE_CMD_REACH_H
#define STRANDLINE_CMD_REACH_H

#include <poll.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct keeper;
struct reach;

#define REACH_FDS   2
#define REACH_NEVER UINT64_MAX

/*
 * For the recording @dir, which @keeper (NULL: nobody) digests; both outlive
 * it.  Signals that the caller blocks stay blocked in the thread.
 */
int reach_start(struct reach **out, const char *dir, struct keeper *keeper,
		struct err *err);
/* Waits for the scans in hand.  NULL is fine, here and below. */
void reach_stop(struct reach *r);

/* Process @pid records into @path, a .slabs file, from now on. */
void reach_add(struct reach *r, pid_t pid, const char *path);

void reach_fds(const struct reach *r, struct pollfd fds[REACH_FDS]);
/* When reach_work() has something to do though no descriptor says so. */
uint64_t reach_next_ns(const struct reach *r);
/* Do what is due. */
void reach_work(struct reach *r);
/* All processes are about to be asked to end: a last scan of each. */
void reach_last(struct reach *r);

/*
 * strandline check --reach PID: scan a process that records twice, @apart_ns
 * apart, and put what was found into its recording, whose path *@recording is
 * then, to be freed.
 */
int reach_check(pid_t pid, uint64_t apart_ns, char **recording,
		struct err *err);

#endif
