/*
 * Tables and lines as CPython 3.9.18, 3.10.13, 3.11.7, 3.12.1 and 3.13.0 made
 * and read them: a function of loops, handlers and expressions over several
 * lines, and one with 300 empty lines in it.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/sym/pyline.h"

static size_t bytes_of(const char *hex, uint8_t *out)
{
	size_t count = strlen(hex) / 2;

	for (size_t i = 0; i < count; i++) {
		char digits[3] = { hex[2 * i], hex[2 * i + 1] };

		out[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return count;
}

/* @lines: of each instruction in turn; those of no line, 0, are not asked. */
static void reads(uint32_t version, uint32_t first, const char *hex,
		  const char *lines)
{
	uint8_t bytes[512];
	const struct pyline_table table = {
		.version = version,
		.first_line = first,
		.bytes = bytes,
		.size = bytes_of(hex, bytes),
	};
	int32_t at = 0;
	char *end;

	for (; *lines; lines = end, at += 2) {
		uint32_t line = (uint32_t)strtoul(lines, &end, 10);

		if (line)
			cr_expect_eq(pyline(&table, at), line, "%x at %d",
				     version, at);
	}
}

Test(pyline_compilers, branches_of_3_9)
{
	reads(0x030912f0, 2,
	      "0002020202fe040304010c010e010c010a03020104fe0601020104fe0603",
	      "4 6 4 4 7 7 8 8 8 8 8 8 9 9 9 9 9 9 9 10 10 10 10 10 10 11 "
	      "11 11 11 11 14 15 15 13 13 13 14 15 15 13 13 13 16 16");
}

Test(pyline_compilers, a_gap_of_3_9)
{
	reads(0x030912f0, 17, "0001047f007f0030", "18 18 320 320");
}

Test(pyline_compilers, branches_of_3_10)
{
	reads(0x030a0df0, 2,
	      "0202020204fe04030c010a0104ff0c02020102ff02fe0206040104fe0403"
	      "02fe040106fe",
	      "4 6 4 4 7 7 8 8 8 8 8 8 9 9 9 9 9 8 8 10 10 10 10 10 10 11 "
	      "10 8 14 15 15 13 13 16 16 14 15 15 13 13 13");
}

Test(pyline_compilers, a_gap_of_3_10)
{
	reads(0x030a0df0, 17, "0401007f007f0430", "18 18 320 320");
}

Test(pyline_compilers, branches_of_3_11)
{
	reads(0x030b07f0, 2,
	      "8000e0090ae0090af105020a0b8041f006080512dd1116907191189418f0"
	      "00010913f0000109138841d80c0d9011894688418841f003010913f8e50b"
	      "15f00001050ef00001050ef00001050ed8080df00301050ef8f8f8f00501"
	      "0913f00c000d0ed80c0d8871f005020d1288018801f8d80c0dd80c0d8871"
	      "f005020d128801f000020912f000020912f000020912f000020912f00600"
	      "0c0d8048",
	      "2 4 6 4 4 4 7 8 8 8 8 8 8 8 8 8 8 8 8 8 8 8 8 8 9 9 9 9 9 "
	      "9 8 0 10 10 10 10 10 10 10 10 10 11 10 0 0 0 8 14 15 15 13 "
	      "13 13 0 14 15 15 13 13 13 13 13 13 16 16");
}

Test(pyline_compilers, a_gap_of_3_11)
{
	reads(0x030b07f0, 17, "8000d808098041f05c09000c0d8048",
	      "17 18 18 320 320");
}

Test(pyline_compilers, branches_of_3_12)
{
	reads(0x030c01f0, 2,
	      "8000e0090ae0090af105020a0b8041f006080512dc111690719318f20001"
	      "09138841d80c0d901189468941f103010913f00c000d0ed80c0d8871f005"
	      "020d128801f006000c0d8048f8f40d000c16f20001050ed8080df0030105"
	      "0efbf008000d0ed80c0d8871f005020d128901fa",
	      "2 4 6 4 4 4 7 8 8 8 8 8 8 8 8 8 8 8 8 8 8 9 9 9 9 9 9 8 8 "
	      "14 15 15 13 13 16 16 0 10 10 10 10 10 10 10 10 11 10 0 0 0 "
	      "0 14 15 15 13 13 13 0 0 0");
}

Test(pyline_compilers, a_gap_of_3_12)
{
	reads(0x030c01f0, 17, "8000d808098041f05c09000c0d8048",
	      "17 18 18 320 320");
}

Test(pyline_compilers, branches_of_3_13)
{
	reads(0x030d00f0, 2,
	      "8000e0090ae0090af105020a0b8041f006080512dc1116907196188841d8"
	      "0c0d89468a41f20300121af00c000d0ed80c0d8871f005020d128801f006"
	      "000c0d8048f8f40d000c16f30001050ed8080df00301050efbf008000d0e"
	      "d80c0d8871f005020d128901fa",
	      "2 4 6 4 4 4 7 8 8 8 8 8 8 8 8 8 8 8 8 8 8 9 9 9 9 9 9 8 8 "
	      "8 14 15 15 13 13 16 16 0 10 10 10 10 10 10 10 10 10 11 10 "
	      "0 0 0 0 14 15 15 13 13 13 0 0 0");
}

Test(pyline_compilers, a_gap_of_3_13)
{
	reads(0x030d00f0, 17, "8000d808098041f05c09000c0d8048",
	      "17 18 18 320 320");
}
