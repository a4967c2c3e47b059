/*
 * The page: what reports/html.c wrote, filled in.
 */
import "uplot/dist/uPlot.min.css";
import "./page.css";
import { about_section, thread_section } from "./about.js";
import { change_section } from "./changes.js";
import { decode } from "./decode.js";
import { h } from "./dom.js";
import { Ledger, memory_tables } from "./ledger.js";
import { phase_table, span_section } from "./phases.js";
import { request_section } from "./requests.js";
import { site_section } from "./sites.js";
import { Stacks } from "./stacks.js";
import { Keys } from "./tree.js";
import { fill_banner } from "./verdict.js";
import { View } from "./view.js";

const SECTIONS = [];

function section(id, title, element) {
	SECTIONS.push([id, title]);
	return h("section", { id, "aria-labelledby": id + "-title" },
		h("h2", { id: id + "-title" }, title), element);
}

const THEMES = ["", "dark", "light"];

function theme_button(changed) {
	const button = h("button", { type: "button", class: "theme" });
	let at = 0;
	const tell = () => {
		button.textContent = "theme: " + (THEMES[at] || "system");
	};

	button.addEventListener("click", () => {
		at = (at + 1) % THEMES.length;
		document.documentElement.dataset.theme = THEMES[at];
		if (!THEMES[at])
			delete document.documentElement.dataset.theme;
		tell();
		changed();
	});
	tell();
	return button;
}

function navigation(changed) {
	return h("nav", { "aria-label": "sections" },
		h("a", { href: "#verdict", onclick: jump }, "Verdict"),
		SECTIONS.map(([id, title]) =>
			h("a", { href: "#" + id, onclick: jump }, title)),
		theme_button(changed));
}

/* The address holds the view, so a link there must not replace it. */
function jump(event) {
	const id = event.currentTarget.getAttribute("href").slice(1);

	event.preventDefault();
	document.getElementById(id).scrollIntoView({ behavior: "auto" });
}

/* Paper is light, and nobody opens anything there. */
function listen_for_print(ledger, flame) {
	const { dataset } = document.documentElement;
	let theme = "";

	addEventListener("beforeprint", () => {
		theme = dataset.theme;
		dataset.theme = "light";
		for (const details of document.querySelectorAll("details"))
			details.open = true;
		ledger.print();
		flame.print(true);
	});
	addEventListener("afterprint", () => {
		if (theme)
			dataset.theme = theme;
		else
			delete dataset.theme;
		ledger.resize();
		ledger.draw();
		flame.print(false);
	});
}

function listen_for_keys(stacks) {
	addEventListener("keydown", (event) => {
		const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(
			event.target.tagName || "");

		if (event.key === "/" && !typing) {
			event.preventDefault();
			stacks.input.focus();
			stacks.input.scrollIntoView({ block: "center" });
		} else if (event.key === "Escape" && stacks.view.search &&
			   (!typing || event.target === stacks.input)) {
			stacks.view.set({ search: "" });
		}
	});
}

async function main() {
	const report = document.getElementById("report");
	const profile = await decode("payload"), base = await decode("base");
	const json = profile.json;
	const view = new View({ kind: json.kind });
	const stacks = new Stacks(profile, base, new Keys(), view);
	const ledger = new Ledger(profile, view);
	const recolour = () => {
		ledger.draw();
		stacks.flame.redraw();
	};

	fill_banner(document.getElementById("verdict"), json);
	report.replaceChildren(...[
		json.diff && section("changes", "Changes",
				     change_section(json.diff)),
		section("memory", "Memory", h("div", {}, ledger.element,
			memory_tables(json), json.marks.length > 0 &&
				phase_table(json.phases, (range) =>
					ledger.choose(range)))),
		section("stacks", "Stacks", stacks.element),
		json.endpoints.length > 0 && section("requests", "Requests",
			request_section(profile)),
		json.spans && json.spans.length > 0 &&
			section("spans", "Spans", span_section(json)),
		section("sites", "Sites", site_section(profile, view)),
		section("threads", "Threads", thread_section(json)),
		section("recording", "Recording", about_section(json)),
	].filter(Boolean));
	report.before(navigation(recolour));
	report.after(h("footer", { class: "soft" }, "Strandline " +
		json.recording.version + ". This file holds all that it " +
		"shows and asks nobody for anything."));
	view.listen((changed) => {
		if ("from" in changed || "to" in changed)
			ledger.follow();
	});
	/* Charts take their colours when they are drawn. */
	matchMedia("(prefers-color-scheme: dark)")
		.addEventListener("change", recolour);
	listen_for_print(ledger, stacks.flame);
	listen_for_keys(stacks);
	document.documentElement.dataset.ready = "yes";
}

main().catch((error) => {
	document.getElementById("report").replaceChildren(h("p",
		{ class: "failed", role: "alert" },
		"This browser cannot draw the report: " + error.message));
	throw error;
});
