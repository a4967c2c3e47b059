/*
 * The recording by its marks, and the spans that the program named.
 */
import { h } from "./dom.js";
import { bytes, count, moment, ms } from "./format.js";
import { Table } from "./table.js";

function grew(phase, what) {
	const { begin, end } = phase;

	return begin[what] === null || end[what] === null ? null :
		end[what] - begin[what];
}

function signed_bytes(value) {
	return value === null ? "–" : (value > 0 ? "+" : "") + bytes(value);
}

function known(value, write) {
	return value === null ? "–" : write(value);
}

/* @choose([from, to]) shows such a time in the whole page. */
export function phase_table(phases, choose) {
	const column = (name, title, value, write) => ({ name, title, value,
		cell: (phase) => known(value(phase), write) });
	const table = new Table([
		{ name: "from", title: "phase", text: true,
		  value: (phase) => phase.from,
		  cell: (phase) => [h("button", { type: "button",
			onclick: () => choose([phase.from, phase.to]),
		  }, phase.label || "start"), h("span", { class: "soft" },
			` ${moment(phase.from)} to ${moment(phase.to)}`)] },
		column("requests", "requests", (p) => p.requests, count),
		column("rate", "a second", (p) => p.requests_per_second,
		       (v) => v.toFixed(1)),
		column("errors", "errors", (p) => p.errors, count),
		column("mean", "mean", (p) => p.mean_ms, ms),
		column("max", "max", (p) => p.max_ms, ms),
		column("allocated", "allocated", (p) => p.allocated_bytes,
		       bytes),
		column("rss", "RSS at end", (p) => p.end.rss, bytes),
		column("rss_grew", "RSS grew", (p) => grew(p, "rss"),
		       signed_bytes),
		column("live_grew", "live grew", (p) => grew(p, "live"),
		       signed_bytes),
		column("threads", "threads", (p) => p.end.threads, count),
		column("fds", "open files", (p) => p.end.fds, count),
	], { caption: "phases", by: "from", piece: 30,
	     search: (phase) => phase.label });

	table.falling = false;
	table.set(phases);
	return h("div", {}, h("h3", {}, "Phases"), table.element);
}

export function span_section(json) {
	const column = (name, title, write, hint) => ({ name, title, hint,
		value: (span) => span[name],
		cell: (span) => known(span[name], write) });
	const table = new Table([
		{ name: "name", title: "span", text: true,
		  value: (span) => span.name,
		  cell: (span) => h("span", { class: "function" },
				    span.name) },
		column("count", "times", count),
		column("p50_ms", "p50", ms), column("p95_ms", "p95", ms),
		column("p99_ms", "p99", ms), column("max_ms", "max", ms),
		column("busy_ms", "all together", ms),
		column("alloc_bytes_per_span", "allocated each", bytes),
		column("alloc_objects_per_span", "blocks each",
		       (v) => v.toFixed(1)),
	], { caption: "spans", by: "busy_ms", piece: 30,
	     search: (span) => span.name });

	table.set(json.spans);
	return h("div", {}, table.element, json.spans_forgotten ?
		h("p", { class: "soft" }, `${count(json.spans_forgotten)} ` +
			"are missing: too many were open at a time.") : null);
}
