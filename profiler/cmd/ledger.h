/*
 * ledger: one line of the recording's ledger, out of what the kernel says of a
 * process, what the shim says of itself and the allocator, and what we take.
 */
#ifndef STRANDLINE_CMD_LEDGER_H
#define STRANDLINE_CMD_LEDGER_H

struct recording_page;
struct usage;
struct wire_ledger;

/* @page is NULL for a process that does not record. */
void ledger_line(struct wire_ledger *line, const struct usage *u,
		 const struct recording_page *page);

#endif
