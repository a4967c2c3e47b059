/*
 * json_handlers: functions that were asked for, by the stacks that they are
 * on, of the JSON report.
 */
#include "reports/emit.h"
#include "reports/json.h"

void json_handlers(struct emit *e, const struct model *m)
{
	json_section(e, "handlers", '[');
	for (uint32_t i = 0; i < m->handler_count; i++) {
		const struct model_handler *h = &m->handlers[i];

		emit_line(e);
		emit_open(e, '{');
		emit_key_text(e, "name", h->name);
		emit_key_bool(e, "seen", h->seen);
		emit_key_real(e, "cpu_ms", h->cpu_ms, 6);
		emit_key_real(e, "cpu_margin_ms", h->cpu_margin_ms, 6);
		emit_key_real(e, "waiting_ms", h->waiting_ms, 6);
		emit_key_real(e, "alloc_bytes", h->alloc_bytes, 3);
		emit_key_real(e, "alloc_margin", h->alloc_margin, 3);
		emit_key_real(e, "alloc_objects", h->alloc_objects, 3);
		emit_key_real(e, "live_bytes", h->live_bytes, 3);
		emit_key_real(e, "live_margin", h->live_margin, 3);
		emit_key_text(e, "method", h->method);
		emit_key_text(e, "route", h->route);
		emit_key_real(e, "alloc_bytes_per_request",
			      h->alloc_bytes_per_request, 3);
		emit_close(e, '}');
	}
	emit_close(e, ']');
	emit_line(e);
	emit_key_real(e, "looks_per_second", m->looks, 3);
}
