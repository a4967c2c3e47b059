/*
 * rota: when a process is to be scanned, so that scans cost it next to nothing.
 * Pure arithmetic.
 *
 * Two, eight and thirty seconds after it began, and a minute after the one
 * before from then on; later where all its scans together would cost more than
 * a hundredth of the time since it began.  But the first is made within four
 * seconds, and each other one before it is eight times as old as it was at the
 * last: what two scans both find is lost for certain, and should be a good part
 * of what the later one finds.
 */
#ifndef STRANDLINE_CMD_ROTA_H
#define STRANDLINE_CMD_ROTA_H

#include <stdint.h>

struct rota {
	uint64_t began_ns, last_ns; /* 0: none was made */
	uint64_t spent_ns;
	unsigned scans;
};

/*
 * What a scan costs, in time of one CPU: the process is stopped for a moment,
 * and copies and faults on what it writes afterwards, of @anonymous bytes that
 * it holds.  The search takes CPU time, too, but at nice 19: a quarter counts.
 */
uint64_t rota_price(uint64_t anonymous, uint64_t search_ns);
/* Before any was made: what the search would take. */
uint64_t rota_search_ns(uint64_t anonymous);

/* When the next is due, at @price; once that is past, make it. */
uint64_t rota_next_ns(const struct rota *r, uint64_t price);
void rota_made(struct rota *r, uint64_t at_ns, uint64_t price);

#endif
