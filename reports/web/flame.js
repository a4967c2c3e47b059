/*
 * The flame graph: a tree of tree.js on a canvas, of which only what is wide
 * enough to be seen is visited.
 *
 * The canvas can be walked by keyboard; what is pointed at or walked to is
 * told in words beneath it, and for screen readers.
 */
import { change_color, css, frame_color } from "./colors.js";
import { h, once_a_frame } from "./dom.js";
import { amount, percent, signed } from "./format.js";
import { ALL, ROOT } from "./tree.js";

const LEAST = 0.4; /* px: narrower boxes are left out */
const PAPER = { width: 700, rows: 45 };
const FONT = "12px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, " +
	"monospace";

/* The callers in a tree, outermost first, @node last. */
function path_of(tree, node) {
	const path = [];

	for (; node >= ROOT; node = tree.parent[node])
		path.unshift(node);
	return path;
}

export class Flame {
	/* @keys: tree.js; @changed(zoomed): called after a zoom. */
	constructor(keys, changed) {
		this.keys = keys;
		this.changed = changed;
		this.zoomed = ROOT;
		this.focus = null;
		this.matches = null;
		this.canvas = h("canvas", {
			tabindex: 0, role: "application",
			"aria-label": "Flame graph. Arrow keys walk, Enter " +
				"zooms, Escape zooms out.",
			onclick: (event) => this.on_click(event),
			onpointermove: (event) => this.on_move(event),
			onpointerleave: () => this.on_leave(),
			onkeydown: (event) => this.on_key(event),
			onblur: () => this.set_focus(null),
		});
		this.halo = h("div", { class: "halo", hidden: true });
		this.tip = h("div", { class: "tip", hidden: true });
		this.told = h("p", { class: "told", "aria-live": "polite" });
		this.element = h("div", { class: "flame" },
			h("div", { class: "stage" }, this.canvas, this.halo),
			this.told, this.tip);
		this.redraw = once_a_frame(() => this.draw());
		new ResizeObserver(this.redraw).observe(this.element);
	}

	/*
	 * Show @tree.  @look: unit; upwards, the root at the bottom; by_base,
	 * widths are those of the other recording.
	 */
	show(tree, look) {
		const path = this.tree ? path_of(this.tree, this.zoomed)
			.slice(1).map((node) => this.tree.key[node]) : [];

		this.tree = tree;
		this.look = look;
		this.zoomed = this.find(path);
		this.focus = null;
		this.redraw();
	}

	/* Down @path, as far as the tree has it. */
	find(path) {
		let node = ROOT;

		for (const key of path) {
			const below = [...this.tree.children(node)].find(
				(child) => this.tree.key[child] === key);

			if (below === undefined)
				break;
			node = below;
		}
		return node;
	}

	size(node) {
		return this.look.by_base ? this.tree.base[node] :
			this.tree.total[node];
	}

	search(matches) {
		this.matches = matches;
		this.redraw();
	}

	zoom(node) {
		this.zoomed = node;
		this.focus = null;
		this.halo.hidden = this.tip.hidden = true;
		this.draw();
		this.changed(node);
	}

	/* What is drawn: boxes by row, each row from left to right. */
	lay_out(width) {
		const path = path_of(this.tree, this.zoomed);
		const rows = path.map((node) => [{ node, x: 0, w: width }]);
		const scale = width / (this.size(this.zoomed) || 1);
		let row = [rows[rows.length - 1][0]];

		while (row.length) {
			const below = [];

			for (const box of row) {
				let x = box.x;

				for (const node of
				     this.tree.children(box.node)) {
					const w = this.size(node) * scale;

					if (w >= LEAST)
						below.push({ node, x, w });
					x += w;
				}
			}
			if (below.length)
				rows.push(below);
			row = below;
		}
		this.depth = path.length - 1; /* of the zoomed one */
		this.rows = rows;
	}

	draw() {
		const width = this.paper ? PAPER.width :
			this.element.clientWidth;
		const ratio = this.paper ? 2 :
			Math.max(1, window.devicePixelRatio || 1);
		let height;

		if (!this.tree || !width)
			return;
		this.row = matchMedia("(pointer: coarse)").matches ? 24 : 18;
		this.lay_out(width);
		if (this.paper)
			this.cut(PAPER.rows);
		height = this.rows.length * this.row;
		this.canvas.width = Math.round(width * ratio);
		this.canvas.height = Math.round(height * ratio);
		this.canvas.style.height = height + "px";
		this.height = height;
		this.paint(ratio);
		if (this.focus)
			this.place_halo(this.focus);
	}

	cut(rows) {
		const left_out = this.rows.length - rows;

		if (left_out <= 0)
			return;
		this.rows.length = rows;
		this.told.textContent = `${left_out} deeper rows of frames ` +
			"are not printed.";
	}

	/* Draw it for paper, or for the screen again. */
	print(paper) {
		this.paper = paper;
		this.told.textContent = "";
		this.draw();
	}

	paint(ratio) {
		const to = this.canvas.getContext("2d");

		to.scale(ratio, ratio);
		to.font = FONT;
		to.textBaseline = "middle";
		this.cell = to.measureText("m").width;
		this.colors = { page: css("page"), ink: css("ink"),
				hit: css("hit"), all: css("line") };
		this.rows.forEach((row, depth) => {
			const faded = depth < this.depth;

			for (const box of row)
				this.paint_box(to, box, this.top_of(depth),
					       faded);
		});
		to.globalAlpha = 1;
	}

	top_of(depth) {
		return this.look.upwards ?
			this.height - (depth + 1) * this.row :
			depth * this.row;
	}

	fill_of(node) {
		const key = this.tree.key[node];

		if (key === ALL)
			return this.colors.all;
		if (this.tree.base)
			return change_color(this.tree.total[node],
					    this.tree.base[node]);
		return frame_color(this.keys.frames[key]);
	}

	paint_box(to, { node, x, w }, y, faded) {
		const key = this.tree.key[node];
		const hit = this.matches && key !== ALL && this.matches[key];
		const pale = faded || this.matches && !hit;

		to.globalAlpha = pale ? (faded ? 0.55 : 0.3) : 1;
		to.fillStyle = hit ? this.colors.hit : this.fill_of(node);
		to.fillRect(x, y, Math.max(w - (w > 2 ? 1 : 0.2), 0.3),
			    this.row - 1);
		if (w < 3 * this.cell)
			return;
		to.globalAlpha = 1;
		to.fillStyle = hit ? "#fff" : key === ALL || pale ?
			this.colors.ink : "#111";
		to.fillText(this.fitted(this.label(node), w), x + 4,
			    y + this.row / 2);
	}

	fitted(text, width) {
		const cells = Math.floor((width - 8) / this.cell);

		return text.length > cells ?
			text.slice(0, Math.max(0, cells - 1)) + "…" : text;
	}

	label(node) {
		const key = this.tree.key[node];

		return key === ALL ? "all" : this.keys.frames[key].label;
	}

	/* In words: [name, figures, place]. */
	words(node) {
		const { tree, look: { unit } } = this;
		const frame = this.keys.frames[tree.key[node]];
		const size = tree.total[node], self = tree.self[node];
		let figures = amount(unit, size);

		if (tree.base)
			figures += `, was ${amount(unit, tree.base[node])}: ` +
				signed(unit, size - tree.base[node]);
		else
			figures += ", " + percent(size, tree.total[ROOT]);
		if (this.zoomed !== ROOT && !tree.base)
			figures += ", " + percent(size,
				tree.total[this.zoomed]) + " of what is shown";
		if (self > 0 && self < size)
			figures += `, ${amount(unit, self)} of it here`;
		return [this.label(node), figures, frame ? this.place(frame) :
			""];
	}

	place(frame) {
		const line = frame.file ? frame.file +
			(frame.line ? ":" + frame.line : "") : "";

		return [line, frame.module].filter(Boolean).join(" in ");
	}

	box_at(event) {
		const area = this.canvas.getBoundingClientRect();
		const x = event.clientX - area.left;
		const y = event.clientY - area.top;
		const depth = Math.floor((this.look && this.look.upwards ?
			this.height - y : y) / this.row);
		const index = (this.rows && this.rows[depth] || []).findIndex(
			(box) => x >= box.x && x < box.x + box.w);

		return index < 0 ? null : { depth, index };
	}

	box(at) {
		return this.rows[at.depth][at.index];
	}

	place_halo(at) {
		const { x, w } = this.box(at);

		this.halo.hidden = false;
		this.halo.style.cssText = `left:${x}px;` +
			`top:${this.top_of(at.depth)}px;` +
			`width:${Math.max(w, 2)}px;height:${this.row - 1}px`;
	}

	tell(node) {
		const [name, figures, place] = this.words(node);

		this.told.replaceChildren(h("b", {}, name), " ", figures,
			place ? h("span", { class: "soft" }, " ", place) : "");
	}

	on_move(event) {
		const at = this.box_at(event);
		let words;

		if (!at)
			return this.on_leave();
		this.place_halo(at);
		words = this.words(this.box(at).node);
		this.tip.replaceChildren(...words.filter(Boolean).map(
			(text, i) => h(i ? "div" : "b", {}, text)));
		this.tip.hidden = event.pointerType === "touch";
		this.place_tip(event);
		this.tell(this.box(at).node);
	}

	place_tip(event) {
		const { offsetWidth: w, offsetHeight: t } = this.tip;
		const x = Math.min(event.clientX + 14, innerWidth - w - 8);
		const y = event.clientY + 18 + t > innerHeight ?
			event.clientY - t - 12 : event.clientY + 18;

		this.tip.style.left = Math.max(4, x) + "px";
		this.tip.style.top = Math.max(4, y) + "px";
	}

	on_leave() {
		this.tip.hidden = true;
		if (this.focus)
			this.place_halo(this.focus);
		else
			this.halo.hidden = true;
	}

	on_click(event) {
		const at = this.box_at(event);

		if (at)
			this.zoom(this.box(at).node);
	}

	set_focus(at) {
		this.focus = at;
		this.halo.hidden = !at;
		if (!at)
			return;
		this.place_halo(at);
		this.tell(this.box(at).node);
		this.halo.scrollIntoView({ block: "nearest" });
	}

	on_key(event) {
		const at = this.focus || { depth: this.depth, index: 0 };
		const steps = this.look.upwards ?
			{ ArrowUp: 1, ArrowDown: -1 } :
			{ ArrowUp: -1, ArrowDown: 1 };
		let next = null;

		if (event.key in steps)
			next = this.focus ? this.climb(at, steps[event.key]) :
				at;
		else if (event.key === "ArrowLeft")
			next = { depth: at.depth, index: at.index - 1 };
		else if (event.key === "ArrowRight")
			next = { depth: at.depth, index: at.index + 1 };
		else if (event.key === "Enter" && this.focus)
			this.zoom(this.box(at).node);
		else if (event.key === "Escape" && this.zoomed !== ROOT)
			this.zoom(this.tree.parent[this.zoomed]);
		else
			return;
		event.preventDefault();
		event.stopPropagation();
		if (next && this.rows[next.depth] &&
		    this.rows[next.depth][next.index])
			this.set_focus(next);
	}

	/* To the caller, or to the widest of what was called. */
	climb(at, step) {
		const row = this.rows[at.depth + step], here = this.box(at);
		let best = -1;

		for (let i = 0; row && i < row.length; i++) {
			const up = this.tree.parent[here.node] === row[i].node;
			const down = this.tree.parent[row[i].node] === here.node;

			if (step < 0 ? up : down &&
			    (best < 0 || row[i].w > row[best].w))
				best = i;
		}
		return best < 0 ? null :
			{ depth: at.depth + step, index: best };
	}
}
