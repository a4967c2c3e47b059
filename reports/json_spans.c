/*
 * json_spans: what the program has named, of the JSON report.
 */
#include "reports/emit.h"
#include "reports/json.h"

void json_spans(struct emit *e, const struct model *m)
{
	json_section(e, "spans", '[');
	for (uint32_t i = 0; i < m->span_count; i++) {
		const struct model_span *s = &m->spans[i];

		emit_line(e);
		emit_open(e, '{');
		emit_key_text(e, "name", s->name);
		emit_key_unsigned(e, "count", s->count);
		emit_key_real(e, "p50_ms", s->p50_ms, 6);
		emit_key_real(e, "p95_ms", s->p95_ms, 6);
		emit_key_real(e, "p99_ms", s->p99_ms, 6);
		emit_key_real(e, "max_ms", s->max_ms, 6);
		emit_key_real(e, "busy_ms", s->busy_ms, 6);
		emit_key_real(e, "alloc_bytes_per_span",
			      s->alloc_bytes_per_span, 3);
		emit_key_real(e, "alloc_objects_per_span",
			      s->alloc_objects_per_span, 3);
		emit_key_real(e, "alloc_margin", s->alloc_margin, 3);
		emit_close(e, '}');
	}
	emit_close(e, ']');
	emit_line(e);
	emit_key_unsigned(e, "spans_forgotten", m->spans_forgotten);
}
