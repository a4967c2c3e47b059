/*
 * json_reach: the scans for blocks that nothing refers to.
 */
#include "reports/emit.h"
#include "reports/json.h"

static void put_sum(struct emit *e, const char *key, double bytes, double count)
{
	emit_key(e, key);
	emit_open(e, '{');
	emit_key_real(e, "bytes", bytes, 0);
	emit_key_real(e, "count", count, 0);
	emit_close(e, '}');
}

/* Only where scans were made. */
void json_scans(struct emit *e, const struct model *m)
{
	if (!m->scan_count)
		return;
	json_section(e, "scans", '[');
	for (uint32_t i = 0; i < m->scan_count; i++) {
		const struct model_scan *s = &m->scans[i];

		emit_line(e);
		emit_open(e, '{');
		emit_key_real(e, "t", s->t, 3);
		emit_key_integer(e, "pid", s->pid);
		emit_key_real(e, "pause_ms", s->pause_ms, 3);
		emit_key_real(e, "scan_ms", s->scan_ms, 3);
		emit_key_real(e, "scanned_bytes", s->scanned_bytes, 0);
		emit_key_real(e, "blocks", s->blocks, 0);
		put_sum(e, "unreachable", s->bytes, s->count);
		put_sum(e, "twice", s->twice_bytes, s->twice_count);
		put_sum(e, "freed", s->freed_bytes, s->freed_count);
		emit_close(e, '}');
	}
	emit_close(e, ']');
}

void json_unreachable(struct emit *e, const struct model *m,
		      const struct model_site *site)
{
	if (!m->scan_count)
		return;
	emit_key(e, "unreachable");
	emit_open(e, '{');
	emit_key_real(e, "bytes", site->unreachable.bytes, 0);
	emit_key_real(e, "count", site->unreachable.count, 0);
	emit_key_real(e, "twice_bytes", site->unreachable.twice_bytes, 0);
	emit_close(e, '}');
}
