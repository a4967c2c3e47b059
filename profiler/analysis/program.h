/*
 * program: which program a recording is of, so that two are compared only
 * where that means something.
 */
#ifndef STRANDLINE_ANALYSIS_PROGRAM_H
#define STRANDLINE_ANALYSIS_PROGRAM_H

struct model;

/*
 * "redis-server", "python3 uvicorn app.main:app": the executable's name
 * without its version, and for an interpreter the script or module that it
 * runs, and the application that it is given as MODULE:NAME.  Options, ports
 * and folders do not count.  To be freed; NULL when out of memory.
 */
char *program_of(const struct model *m);

#endif
