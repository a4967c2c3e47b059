/*
 * price: what a hit of a probe costs on this machine, measured on ourselves.
 */
#ifndef STRANDLINE_PROBE_PRICE_H
#define STRANDLINE_PROBE_PRICE_H

#include <stdbool.h>
#include <stdint.h>

struct bpf_program;

struct price { /* ns a hit, by struct place.stepped */
	double cheap_ns, stepped_ns;
};

struct price_of {
	uint64_t cookie;
	bool stepped;	/* where it is put */
	bool at_return; /* beside what is at the entry */
};

/* ns that @program adds to each call; a typical figure, as below. */
double price_hit_ns(struct bpf_program *program, const struct price_of *of);
/* Typical figures where it cannot be measured.  Takes some milliseconds. */
void price_measure(struct bpf_program *program, struct price *price);

/* What a system call takes that does next to nothing. */
double price_syscall_ns(void);

#endif
