/*
 * rota: when a process is to be scanned.
 */
#include "profiler/cmd/rota.h"

#define SECOND 1000000000ULL
/* Ages; the second scan confirms the first, so a short run needs two soon. */
static const uint64_t ages_ns[] = { 2 * SECOND, 8 * SECOND, 30 * SECOND };
#define AGES	  (sizeof(ages_ns) / sizeof(ages_ns[0]))
#define EVERY_NS  (60 * SECOND)
#define LATEST_NS (4 * SECOND) /* the first */
#define TIMES	  8	       /* as old as it was at the last one */
#define SHARE	  100

/*
 * A server of 84 MiB lost 25 ms of its CPU to a scan, 3 ms of which it stood
 * still, and the search took 60 to 90 ms.
 */
uint64_t rota_price(uint64_t anonymous, uint64_t search_ns)
{
	return anonymous / 2 + search_ns / 4;
}

uint64_t rota_search_ns(uint64_t anonymous)
{
	return anonymous;
}

static uint64_t within(uint64_t at, uint64_t latest)
{
	return at < latest ? at : latest;
}

/* Since it began. */
static uint64_t next_age(const struct rota *r, uint64_t price)
{
	uint64_t last = r->last_ns - r->began_ns;
	uint64_t paid = (r->spent_ns + price) * SHARE;
	uint64_t soonest =
		r->scans < AGES ? ages_ns[r->scans] : last + EVERY_NS;

	paid = within(paid, r->scans ? last * TIMES : LATEST_NS);
	return soonest > paid ? soonest : paid;
}

uint64_t rota_next_ns(const struct rota *r, uint64_t price)
{
	return r->began_ns + next_age(r, price);
}

void rota_made(struct rota *r, uint64_t at_ns, uint64_t price)
{
	r->scans++;
	r->last_ns = at_ns;
	r->spent_ns += price;
}
