/*
 * procs: the user half of bpf/procs.bpf.c, the first probe of every session.
 */
#ifndef STRANDLINE_PROBE_PROCS_H
#define STRANDLINE_PROBE_PROCS_H

struct probe_class;
struct procs;

/* Its options are the session's, struct probes_options. */
extern const struct probe_class probe_procs;

int procs_targets(const struct procs *procs); /* the map's descriptor */
/* Does it load here?  0 or -errno. */
int procs_loads(void);

#endif
