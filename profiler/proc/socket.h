/*
 * socket: what a socket of a process talks to, by the tables of its network
 * namespace in /proc/PID/net.
 */
#ifndef STRANDLINE_PROC_SOCKET_H
#define STRANDLINE_PROC_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

struct buf;

/*
 * Append "tcp 10.0.0.5:41312 to 10.0.0.9:5432", "tcp listening on
 * 127.0.0.1:8000" or "unix /run/x.sock" for the descriptor's link
 * "socket:[123]" of the process at @dir (procfs.h).  False, and nothing
 * appended, where it is no such socket.
 */
bool socket_describe(struct buf *out, int dir, const char *link);

/* The same out of one table's text: @table is "tcp", "udp6", "unix", ... */
bool socket_find(struct buf *out, const char *table, const char *text,
		 uint64_t inode);

#endif
