/*
 * faults: planted ones, chosen by the environment variable RAG_FAULT.
 *
 *   name           class      endpoint  function           per request
 *   none           clean
 *   native_leak    leak       chat      parse_prompt       exactly 1024 bytes,
 *                                                    or RAG_FAULT_BYTES
 *   cache          growth     search    remember_answer    1064 bytes in two
 *                                                    blocks, never looked up
 *   retention      retention  search    shrink_to_fit      0; about 8 KiB of
 *                                                    RSS for 16,384 searches
 *   mapping_leak   mappings   chat      map_scratch        65,536 bytes, mmap
 *   thread_leak    threads    chat      start_watcher      1 thread in 8
 *   fd_leak        fds        chat      open_audit_log     1 descriptor
 *   slow_endpoint  clean      chat      wait_for_replica   1.2 s of waiting
 *
 * `rag_c --faults` prints the same as JSON.
 */
#ifndef RAG_FAULTS_H
#define RAG_FAULTS_H

#include <stdbool.h>
#include <stdio.h>

/* False: RAG_FAULT names none of them. */
bool faults_init(void);
const char *faults_name(void);
void faults_print(FILE *out);
void faults_on_search(const char *query);
void faults_on_chat(const char *prompt);

#endif
