/*
 * json_phases: what happened between marks, of the JSON report.
 */
#include "profiler/analysis/phases.h"
#include "reports/emit.h"
#include "reports/json.h"

static void put_level(struct emit *e, const char *key,
		      const struct phase_level *l)
{
	emit_key(e, key);
	emit_open(e, '{');
	emit_key_real(e, "rss", l->rss, 0);
	emit_key_real(e, "live", l->live, 0);
	emit_key_real(e, "retained", l->retained, 0);
	emit_key_real(e, "threads", l->threads, 0);
	emit_key_real(e, "fds", l->fds, 0);
	emit_close(e, '}');
}

void json_phases(struct emit *e, const struct model *m)
{
	uint32_t count = phases_count(m);

	json_section(e, "phases", '[');
	for (uint32_t i = 0; i < count; i++) {
		struct phase p;

		phases_get(m, i, &p);
		emit_line(e);
		emit_open(e, '{');
		emit_key_text(e, "label", p.label);
		emit_key_real(e, "from", p.from, 6);
		emit_key_real(e, "to", p.to, 6);
		emit_key_real(e, "requests", p.requests, 3);
		emit_key_real(e, "errors", p.errors, 3);
		emit_key_real(e, "requests_per_second", p.requests_per_second,
			      3);
		emit_key_real(e, "mean_ms", p.mean_ms, 6);
		emit_key_real(e, "max_ms", p.max_ms, 6);
		emit_key_real(e, "allocated_bytes", p.allocated_bytes, 0);
		emit_key_real(e, "released_bytes", p.released_bytes, 0);
		put_level(e, "begin", &p.begin);
		put_level(e, "end", &p.end);
		emit_close(e, '}');
	}
	emit_close(e, ']');
}
