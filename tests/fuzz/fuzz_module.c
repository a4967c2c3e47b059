/*
 * Any bytes as the image of a module in another process: names and addresses
 * are found or not, without a fault and without an end that does not come.  The
 * same as a loader's own words about static TLS.
 *
 * Reaches attach/module, attach/static_tls.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/attach/module.h"
#include "profiler/attach/static_tls.h"

#define START 0x10000

/* The places are where the first bytes say. */
static void read_static_tls(const struct remote *memory, const uint8_t *data,
			    size_t size)
{
	const struct static_tls_need need = { 112, 8, 0 };
	struct static_tls_places places;
	struct static_tls room;
	uint16_t at[4];

	if (size < sizeof(at))
		return;
	memcpy(at, data, sizeof(at));
	places = (struct static_tls_places) { START + at[0], START + at[1],
					      START + at[2], START + at[3] };
	if (static_tls_read(&room, memory, &places))
		(void)static_tls_fits(&room, &need);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct remote_range range = { START, data, size };
	struct remote memory = remote_fake(&range, 1);
	char name[16];
	struct module m;

	read_static_tls(&memory, data, size);
	if (!module_read(&m, &memory, START))
		return 0;
	module_name(&m, name, sizeof(name));
	if (!memchr(name, '\0', sizeof(name)))
		abort();
	(void)module_symbol(&m, "malloc");
	(void)module_symbol(&m, "");
	(void)module_gap(&m, 64);
	return 0;
}
