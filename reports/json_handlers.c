/*
 * json_handlers: functions that were asked for, by the stacks that they are
 * on, of the JSON report.
 */
#include "reports/emit.h"
#include "reports/json.h"

static const char *const answers[] = {
	[MODEL_ANSWERS_UNKNOWN] = NULL,
	[MODEL_ANSWERS_ROUTE] = "route",
	[MODEL_ANSWERS_STACK] = "stack",
};

static void put_near(struct emit *e, const struct model_handler *h)
{
	emit_key(e, "near");
	emit_open(e, '[');
	for (uint32_t i = 0; i < h->near_count; i++)
		emit_text(e, h->near[i]);
	emit_close(e, ']');
}

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
		emit_key_text(e, "requests_by", answers[h->answers]);
		emit_key_unsigned(e, "requests", h->requests);
		emit_key_unsigned(e, "endpoints", h->endpoint_count);
		emit_key_real(e, "p50_ms", h->p50_ms, 6);
		emit_key_real(e, "p95_ms", h->p95_ms, 6);
		emit_key_real(e, "p99_ms", h->p99_ms, 6);
		emit_key_real(e, "max_ms", h->max_ms, 6);
		emit_key_text(e, "method", h->method);
		emit_key_text(e, "route", h->route);
		emit_key_real(e, "alloc_bytes_per_request",
			      h->alloc_bytes_per_request, 3);
		put_near(e, h);
		emit_close(e, '}');
	}
	emit_close(e, ']');
	emit_line(e);
	emit_key_real(e, "looks_per_second", m->looks, 3);
}
