/*
 * Threads and processes, what was lost, what watching cost, and how it was
 * recorded.
 */
import { h, scroll } from "./dom.js";
import { bytes, count, mode, moment, ms } from "./format.js";
import { Table } from "./table.js";

function pairs(rows) {
	return h("dl", { class: "pairs" }, rows.filter(
		([, text]) => text !== null && text !== undefined && text !== "")
		.map(([name, text]) => h("div", {}, h("dt", {}, name),
			h("dd", {}, text))));
}

function ended(thing) {
	return thing.ended === null ? "alive at the end" :
		moment(thing.ended);
}

export function thread_section(json) {
	const name = new Map(json.processes.map((p) => [p.pid, p.command]));
	const table = new Table([
		{ name: "tid", title: "thread", text: true,
		  value: (t) => t.tid,
		  cell: (t) => String(t.tid) },
		{ name: "name", title: "name", text: true,
		  value: (t) => t.name || "", cell: (t) => t.name || "–" },
		{ name: "pid", title: "process", text: true,
		  value: (t) => t.pid,
		  cell: (t) => h("span", { title: name.get(t.pid) },
				 String(t.pid)) },
		{ name: "began", title: "began", value: (t) => t.began,
		  cell: (t) => moment(t.began) },
		{ name: "ended", title: "ended", value: (t) =>
			t.ended === null ? Infinity : t.ended, cell: ended },
		{ name: "allocated", title: "allocated",
		  value: (t) => t.allocated_bytes,
		  cell: (t) => bytes(t.allocated_bytes) },
		{ name: "blocks", title: "blocks",
		  value: (t) => t.allocations,
		  cell: (t) => count(t.allocations) },
	], { caption: "threads", by: "allocated", piece: 20,
	     search: (t) => t.name + " " + t.tid });

	table.set(json.threads);
	return h("div", {}, table.element,
		json.processes.length > 1 ? process_table(json) : null);
}

function status(p) {
	if (p.ended === null)
		return "ran at the end";
	if (p.wait_status === null)
		return "ended at " + moment(p.ended);
	return (p.wait_status & 127 ? `signal ${p.wait_status & 127}` :
		`exit ${p.wait_status >> 8 & 255}`) + ` at ${moment(p.ended)}`;
}

function process_table(json) {
	const peaks = new Map();
	const table = new Table([
		{ name: "pid", title: "process", text: true,
		  value: (p) => p.pid,
		  cell: (p) => (p.main ? "▸ " : "") + p.pid },
		{ name: "command", title: "command", text: true,
		  value: (p) => p.command,
		  cell: (p) => h("span", { class: "path" }, p.command) },
		{ name: "allocator", title: "allocator", text: true,
		  value: (p) => p.allocator || "",
		  cell: (p) => p.allocator || "–" },
		{ name: "peak", title: "peak RSS",
		  value: (p) => peaks.get(p.pid) || 0,
		  cell: (p) => peaks.has(p.pid) ? bytes(peaks.get(p.pid)) :
			"–" },
		{ name: "allocations", title: json.recording.mean_bytes ?
			"samples" : "allocations",
		  value: (p) => p.allocations,
		  cell: (p) => count(p.allocations) },
		{ name: "end", title: "end", text: true, value: status,
		  cell: status },
	], { caption: "processes", by: "peak", piece: 12,
	     search: (p) => p.command });

	for (const { pid, rss } of json.ledger)
		if (rss > (peaks.get(pid) || 0))
			peaks.set(pid, rss);
	table.set(json.processes);
	return h("div", {}, h("h3", {}, "Processes"), table.element);
}

function losses(json) {
	const all = Object.entries(json.losses);
	const lost = all.filter(([, n]) => n > 0);

	return h("div", {},
		h("p", {}, lost.length ? "Not all was kept:" :
			"Nothing: all counters are 0."),
		h("details", { open: lost.length > 0 },
			h("summary", {}, `${all.length} counters`),
			h("ul", { class: "counters" }, all.sort(
				(a, b) => b[1] - a[1]).map(([name, n]) =>
				h("li", { class: n ? "lost" : "soft" },
				  h("b", {}, count(n)), " " +
				  name.replace(/_/g, " "))))));
}

function cost(json) {
	const c = json.cost;

	return pairs([
		["in the server", bytes(c.self_bytes_peak)],
		["of a core, in its hooks", c.target_cpu_pct === null ?
			"not known" : c.target_cpu_pct.toFixed(2) + "%"],
		["at its start", ms(c.startup_ms)],
		["beside it", `${bytes(c.profiler_rss_bytes)}, ` +
			`${c.profiler_cpu_pct.toFixed(2)}% of a core`],
		["on disk", bytes(c.recording_bytes)],
	]);
}

function how(json) {
	const r = json.recording;

	return pairs([
		["command", h("code", {}, r.command)],
		["recording", r.path], ["host", r.host], ["kernel", r.kernel],
		["system", r.system],
		["processor", r.processor === null ? null : r.processor +
			(r.processors ? `, ${r.processors} of them` : "")],
		["memory", r.memory_bytes === null ? null :
			bytes(r.memory_bytes)],
		["Python", r.python], ["strandline", r.version],
		["mode", mode(r) + (r.mode === "sample" ? " on average at " +
			"the end; figures are estimates, ± is the 95% interval" :
			"")],
		["began", r.started],
		["lasted", moment(r.duration_s) + (r.torn ?
			"; cut short, read as far as it goes" : "")],
		["records", count(json.totals.records)],
		["allocations seen", count(json.totals.allocations)],
		["releases seen", count(json.totals.releases)],
	]);
}

function scans(json) {
	if (!json.scans || !json.scans.length)
		return null;
	return h("div", {}, h("h3", {}, "Scans for what nothing refers to"),
		scroll("scans", h("table", {},
			h("thead", {}, h("tr", {}, ["at", "process",
				"unreachable", "in two scans", "looked through",
				"server stood still"].map((name) =>
				h("th", { scope: "col", class: "number" },
				  name)))),
			h("tbody", {}, json.scans.map((scan) => h("tr", {}, [
				moment(scan.t), String(scan.pid),
				bytes(scan.bytes), bytes(scan.twice_bytes),
				bytes(scan.scanned_bytes),
				ms(scan.pause_ms)].map((text) =>
				h("td", { class: "number" }, text))))))));
}

function sentences(title, texts) {
	return texts && texts.length ? h("div", {}, h("h3", {}, title),
		h("ul", {}, texts.map((text) => h("li", {}, text)))) : null;
}

export function about_section(json) {
	return h("div", {},
		h("div", { class: "pair" },
			h("div", {}, h("h3", {}, "What was lost"),
				losses(json)),
			h("div", {}, h("h3", {}, "What watching cost"),
				cost(json))),
		h("h3", {}, "How it was recorded"), how(json),
		scans(json), sentences("Problems", json.problems),
		sentences("Notes", json.notes));
}
