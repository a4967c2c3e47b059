/*
 * fixture_proc: a small tree that stands for /proc, made of texts.
 */
#ifndef STRANDLINE_TESTS_FIXTURE_PROC_H
#define STRANDLINE_TESTS_FIXTURE_PROC_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/fixture_dir.h"

/* Write @text to ROOT/@name, with the directories above it. */
static inline void proc_put(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", fixture_dir, name);
	for (char *at = path + strlen(fixture_dir) + 1; (at = strchr(at, '/'));
	     at++) {
		*at = '\0';
		mkdir(path, 0777);
		*at = '/';
	}
	f = fopen(path, "w");
	cr_assert_not_null(f, "%s", path);
	fputs(text, f);
	fclose(f);
}

#define PROC_STAT                                                           \
	"42 (py (3) x) S 7 42 40 0 -1 4194560 1500 0 12 0 250 50 0 0 20 0 " \
	"2 0 5000 10000000 500 18446744073709551615 0 0 0 0 0 0 0 0 0\n"

/* A process of two threads, one of them asleep with its stack at 7000800. */
static inline void proc_put_server(void)
{
	proc_put("42/stat", PROC_STAT);
	proc_put("42/statm", "2500 500 100 1 0 400 0\n");
	proc_put("42/status", "Name:\tpy\nVmSwap:\t      16 kB\n"
			      "voluntary_ctxt_switches:\t90\n"
			      "nonvoluntary_ctxt_switches:\t10\n");
	proc_put("42/cmdline", "");
	proc_put("42/task/42/status", "voluntary_ctxt_switches:\t90\n"
				      "nonvoluntary_ctxt_switches:\t10\n");
	proc_put("42/task/43/status", "voluntary_ctxt_switches:\t5\n"
				      "nonvoluntary_ctxt_switches:\t2\n");
	proc_put("42/task/42/syscall", "running\n");
	proc_put("42/task/43/syscall",
		 "202 0x1 0x2 0x3 0x0 0x0 0xf 0x7000800 0x7f0011223344\n");
	proc_put("42/fd/0", "");
	proc_put("42/fd/1", "");
	proc_put("42/fd/17", "");
	proc_put("42/limits",
		 "Limit                     Soft Limit  Hard Limit  Units\n"
		 "Max processes             unlimited   unlimited   processes\n"
		 "Max open files            1024        524288      files\n");
	proc_put("42/cgroup", "0::/pod/server\n");
	proc_put("42/smaps",
		 "400000-500000 r-xp 00000000 fe:00 7  /usr/bin/python3\n"
		 "Rss:      64 kB\nPss:      32 kB\nSwap:   0 kB\n"
		 "600000-700000 rw-p 00000000 00:00 0  [heap]\n"
		 "Rss:     128 kB\nPss:     128 kB\nSwap:   4 kB\n"
		 "6f00000-7000000 ---p 00000000 00:00 0 \n"
		 "Rss:       0 kB\nPss:       0 kB\n"
		 "7000000-7100000 rw-p 00000000 00:00 0 \n"
		 "Rss:      12 kB\nPss:      12 kB\n"
		 "7100000-7200000 rw-p 00000000 00:00 0 \n"
		 "Rss:     256 kB\nPss:     256 kB\n"
		 "8000000-8100000 rw-s 00000000 fe:00 9  /r.strand/42.slabs\n"
		 "Rss:      20 kB\nPss:      20 kB\n"
		 "9000000-9100000 rw-s 00000000 00:01 9  /dev/shm/x (deleted)\n"
		 "Rss:       8 kB\nPss:       4 kB\n"
		 "a000000-a100000 rw-p 00000000 00:00 0  [stack]\n"
		 "Rss:      24 kB\nPss:      24 kB\n");
}

#endif
