/*
 * price: what a hit of a probe costs on this machine, measured on ourselves.
 */
#ifndef STRANDLINE_PROBE_PRICE_H
#define STRANDLINE_PROBE_PRICE_H

struct bpf_program;

struct price { /* ns a hit, by struct place.stepped */
	double cheap_ns, stepped_ns;
};

/* Typical figures where it cannot be measured.  Takes some milliseconds. */
void price_measure(struct bpf_program *program, struct price *price);

/* What a system call takes that does next to nothing. */
double price_syscall_ns(void);

#endif
