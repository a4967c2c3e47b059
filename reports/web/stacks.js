/*
 * The flame graph with its controls, and the functions beneath it.
 */
import { CLASSES } from "./colors.js";
import { h, select, settled, toggle } from "./dom.js";
import { Flame } from "./flame.js";
import { amount, moment, percent, short_path } from "./format.js";
import { Table } from "./table.js";
import { Callers, CallTree, ROOT } from "./tree.js";

const GROWTH = { name: "growth", unit: "bytes",
		 weight: "live memory that came" };
/* What flows is compared per request; what stands, as it is. */
const FLOWS = ["alloc", "temporary", "cpu", "offcpu", "wall"];

export class Stacks {
	constructor(profile, base, keys, view) {
		this.profile = profile;
		this.base = base;
		this.keys = keys;
		this.view = view;
		this.own_keys = keys.of(profile);
		this.base_keys = base ? keys.of(base) : null;
		this.flame = new Flame(keys, (node) => this.zoomed(node));
		this.title = h("p", { class: "soft what" });
		this.matched = h("output", { class: "matched" });
		this.reset = h("button", { type: "button", disabled: true,
			onclick: () => this.flame.zoom(ROOT) }, "reset zoom");
		this.functions = this.function_table();
		this.element = h("div", {}, this.tools(), this.title,
			this.flame.element, this.legend(),
			h("h3", {}, "Functions"), this.functions.element);
		view.listen((changed) => this.follow(changed));
		this.build();
	}

	kinds() {
		const kinds = this.profile.json.kinds;

		return this.profile.windows.length > 1 ? [...kinds, GROWTH] :
			kinds;
	}

	kind() {
		return this.kinds().find(
			(kind) => kind.name === this.view.kind) ||
			this.kinds()[0];
	}

	tools() {
		const { view, profile } = this;
		const set = (name) => (value) => view.set({ [name]: value });
		const routes = profile.routes();

		this.input = h("input", {
			type: "search", placeholder: "search names and files ( / )",
			"aria-label": "search the flame graph",
			value: view.search,
			oninput: settled(() => view.set(
				{ search: this.input.value }), 120),
		});
		return h("div", { class: "tools" },
			select("kind", this.kinds().map((kind) =>
				[kind.name, kind.name + " – " + kind.weight]),
			view.kind, set("kind")),
			profile.columns.charge_route.length ?
				select("endpoint", [["", "all"],
					["-", "outside of requests"],
					...routes.map((r) => [r, r])],
				view.endpoint, set("endpoint")) : null,
			select("frames", [["all", "all"],
				["python", "Python only"],
				["native", "native only"]], view.frames,
			set("frames")),
			toggle("callers", view.invert, set("invert"),
			       "Turn the stacks over: what allocated on top, " +
			       "its callers beneath"),
			toggle("merge recursion", view.recursion,
			       set("recursion"),
			       "A function within itself is one box"),
			toggle("root at the bottom", view.upwards,
			       set("upwards")),
			this.base ? toggle("widths of the base", view.by_base,
				set("by_base")) : null,
			this.input, this.matched, this.reset);
	}

	legend() {
		const seen = new Set(this.keys.frames.map((f) => f.class));

		if (this.base)
			return h("p", { class: "legend" },
				[["grew", "grew"], ["same", "as it was"],
				 ["shrank", "shrank"]].map(([name, text]) =>
					h("span", {}, h("i", {
						class: "swatch " + name }),
					text)));
		return h("p", { class: "legend" }, CLASSES
			.filter(([name]) => seen.has(name))
			.map(([name, text]) => h("span", {},
				h("i", { class: "swatch class-" + name }),
				text)));
	}

	follow(changed) {
		const only = (...names) => Object.keys(changed).every(
			(name) => names.includes(name));

		if (only("search"))
			return this.search();
		if (only("upwards", "by_base"))
			return this.show();
		this.build();
	}

	hides() {
		const { frames } = this.view;

		if (frames === "all")
			return () => false;
		return (profile, frame) => !profile.is_marker(frame) &&
			profile.is_python(frame) !== (frames === "python");
	}

	/* So much of the base for each of what is shown. */
	scale() {
		const now = this.profile.json.traffic.requests;
		const then = this.base.json.traffic.requests;

		return FLOWS.includes(this.kind().name) && now && then ?
			now / then : 1;
	}

	sides() {
		const view = { ...this.view, kind: this.kind().name };
		const sides = [{ profile: this.profile, keys: this.own_keys,
			weights: this.profile.weights(view) }];

		if (this.base) {
			const weights = this.base.has(view.kind) ?
				this.base.weights({ ...view, from: null }) :
				new Float64Array(this.base.site_count);
			const scale = this.scale();

			sides.push({ profile: this.base, keys: this.base_keys,
				weights: weights.map((w) => w * scale) });
		}
		return sides;
	}

	build() {
		this.down = new CallTree(this.sides(), {
			hides: this.hides(), recursion: this.view.recursion });
		this.show();
		this.list();
		this.search();
	}

	show() {
		const { view } = this;

		this.flame.show(view.invert ? new Callers(this.down) :
			this.down, { unit: this.kind().unit,
				upwards: view.upwards,
				by_base: view.by_base && !!this.base });
		this.title.textContent = this.describe();
		this.zoomed(this.flame.zoomed);
	}

	describe() {
		const { view, profile } = this, kind = this.kind();
		const total = this.down.total[ROOT];
		let text = `${amount(kind.unit, total)} of ${kind.weight}`;

		if (view.endpoint)
			text += profile.knows_endpoint(kind.name) ?
				(view.endpoint === "-" ? " outside of requests" :
				 ` for ${view.endpoint}`) :
				`; of ${kind.name} it is not known for which ` +
				"endpoint";
		if (view.from !== null)
			text += profile.knows_time(kind.name) ?
				`, ${moment(view.from)} to ${moment(view.to)}` :
				`; ${kind.name} is known of the whole ` +
				"recording only";
		if (view.from !== null && view.endpoint &&
		    profile.knows_time(kind.name) &&
		    profile.knows_endpoint(kind.name))
			text += ", by the endpoint's share of each stack in " +
				"the whole recording";
		if (this.base)
			text += `, against ${amount(kind.unit,
				this.down.base[ROOT])} of the base` +
				(this.scale() !== 1 ?
				 " at as many requests" : "");
		return text + ".";
	}

	zoomed(node) {
		this.reset.disabled = node === ROOT;
	}

	search() {
		const { search } = this.view;
		const needle = search.toLowerCase();
		const frames = this.keys.frames;
		let matches = null;

		if (this.input.value !== search)
			this.input.value = search;
		if (needle) {
			matches = new Uint8Array(frames.length);
			frames.forEach((f, i) => {
				matches[i] = (f.label + "\n" + f.file + "\n" +
					f.module).toLowerCase()
					.includes(needle);
			});
		}
		this.flame.search(matches);
		this.matched.textContent = matches ?
			this.found(this.down.matched(matches)) : "";
	}

	found({ sum, count }) {
		const kind = this.kind();

		return count ? `${percent(sum, this.down.total[ROOT])}, ` +
			`${amount(kind.unit, sum)} in ${count} ` +
			(count === 1 ? "frame" : "frames") : "no match";
	}

	function_table() {
		const size = (name) => ({
			name, title: name,
			value: (row) => row[name],
			cell: (row) => amount(this.kind().unit, row[name]),
		});
		const share = (name) => ({
			name: name + "_share", title: "%",
			value: (row) => row[name],
			cell: (row) => percent(row[name],
					       this.down.total[ROOT]),
		});

		return new Table([
			{ name: "label", title: "function", text: true,
			  value: (row) => row.frame.label,
			  cell: (row) => h("button", {
				type: "button", class: "link",
				title: "search for it in the flame graph",
				onclick: () => this.view.set(
					{ search: row.frame.label }),
			  }, row.frame.label) },
			size("self"), share("self"), size("total"),
			share("total"),
			{ name: "place", title: "where", text: true,
			  value: (row) => this.flame.place(row.frame),
			  cell: (row) => h("span", { class: "soft path",
			title: this.flame.place(row.frame) },
			short_path(this.flame.place(row.frame))) },
		], { caption: "functions", by: "self", piece: 12,
		     search: (row) => row.frame.label });
	}

	list() {
		const { self, total } = this.down.functions(
			this.keys.frames.length);
		const rows = [];

		this.keys.frames.forEach((frame, key) => {
			if (total[key] > 0)
				rows.push({ frame, self: self[key],
					    total: total[key] });
		});
		this.functions.set(rows);
	}
}
