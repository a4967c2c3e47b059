/*
 * ticks: raw ticks of a recording's clock to monotonic time and back.
 *
 * The header's pairs are foreign bytes: a slope outside of 100 MHz to 20 GHz
 * is not believed, and nothing overflows.
 */
#ifndef STRANDLINE_TRACE_TICKS_H
#define STRANDLINE_TRACE_TICKS_H

#include "profiler/wire/slab.h"

double ticks_per_ns(const struct slab_file *header);
uint64_t ticks_to_ns(const struct slab_file *header, uint64_t ticks);
uint64_t ticks_from_ns(const struct slab_file *header, uint64_t ns);

#endif
