/*
 * The flame graph's behaviour.  What is shown lives in the address alone,
 * "#search=TEXT&zoom=NUMBER": every action changes the address and draw()
 * follows it, so a view can be bookmarked, sent, and left with Back.
 * Without scripts the picture stands as it was written.
 */
(function () {
	"use strict";
	var SVG = "http://www.w3.org/2000/svg";
	var HTML = "http://www.w3.org/1999/xhtml";
	var CELL = 7.25, LEAST = 0.1; /* the same in svg.c */
	var svg = document.currentScript ?
		document.currentScript.closest("svg") :
		document.documentElement;
	var unit = svg.getAttribute("data-unit");
	var height = +svg.getAttribute("height");
	var status = svg.querySelector(".status");
	var matched = svg.querySelector(".matched");
	var reset = svg.querySelector(".reset");
	var head = svg.querySelector(".head");
	var hint = status.textContent;
	var tip = document.createElementNS(SVG, "title");
	var width, box, input, at = -1; /* walked to */

	/* In document order, which is depth-first: a frame's callees follow. */
	var frames = Array.from(svg.querySelectorAll(".f"), function (g) {
		var lines = g.getAttribute("data-tip").split("\n");

		return {
			g: g,
			rect: g.firstElementChild,
			text: g.children[1] || null,
			name: lines[0],
			weight: lines[1],
			place: lines[2] || "",
			start: +g.getAttribute("data-x"),
			size: +g.getAttribute("data-w"),
			depth: +g.getAttribute("data-d"),
		};
	});

	function amount(size) {
		var names = unit === "bytes" ?
			["B", "KiB", "MiB", "GiB", "TiB"] :
			["ns", "us", "ms", "s"];
		var step = unit === "bytes" ? 1024 : 1000, i = 0;

		while (i + 1 < names.length && size >= step - 0.05) {
			size /= step;
			i++;
		}
		return size.toFixed(i ? 1 : 0) + " " + names[i];
	}

	function share(size) {
		return (frames[0].size ? size / frames[0].size * 100 : 0)
			.toFixed(1) + "%";
	}

	function read() {
		var state = { search: "", zoom: 0 };

		location.hash.slice(1).split("&").forEach(function (part) {
			var at = part.indexOf("="), value;

			try {
				value = decodeURIComponent(part.slice(at + 1));
			} catch (e) {
				return;
			}
			if (part.slice(0, at) === "search")
				state.search = value;
			if (part.slice(0, at) === "zoom")
				state.zoom = find(value);
		});
		return state;
	}

	/* A frame by its number or, in links made by hand, by its name. */
	function find(value) {
		var best = 0;

		if (/^\d+$/.test(value))
			return +value < frames.length ? +value : 0;
		frames.forEach(function (f, i) {
			var widest = !best || f.size > frames[best].size;

			if (f.name === value && widest)
				best = i;
		});
		return best;
	}

	function go(change, replace) {
		var state = Object.assign(read(), change), parts = [];
		var text = encodeURIComponent(state.search);

		if (text)
			parts.push("search=" + text);
		if (state.zoom)
			parts.push("zoom=" + state.zoom);
		if (replace)
			location.replace("#" + parts.join("&"));
		else
			location.hash = parts.join("&");
	}

	function fit(name, room) {
		var cells = Math.floor((room - 6) / CELL);

		if (cells < 2)
			return "";
		if (name.length > cells)
			name = name.slice(0, cells - 1) + "…";
		return name;
	}

	function label(f, x, name) {
		if (!f.text && !name)
			return;
		if (!f.text) {
			f.text = f.g.appendChild(
				document.createElementNS(SVG, "text"));
			f.text.setAttribute(
				"y", +f.rect.getAttribute("y") + 13);
		}
		f.text.setAttribute("x", (x + 3).toFixed(2));
		f.text.textContent = name;
	}

	function place(f, x, w, above) {
		var off = w < LEAST;

		f.g.classList.toggle("off", off);
		f.g.classList.toggle("above", above);
		if (off)
			return;
		f.rect.setAttribute("x", x.toFixed(2));
		f.rect.setAttribute("width", w.toFixed(2));
		label(f, x, fit(f.name, w));
	}

	function zoom(to) {
		var target = frames[to], depth = target.depth, i;
		var scale = width / (target.size || 1), left = target.start;

		for (i = to + 1; i < frames.length; i++) {
			if (frames[i].depth <= target.depth)
				break;
			place(frames[i], (frames[i].start - left) * scale,
			      frames[i].size * scale, false);
		}
		for (; i < frames.length; i++)
			place(frames[i], 0, 0, false);
		place(target, 0, width, false);
		for (i = to - 1; i >= 0; i--) {
			var caller = frames[i].depth < depth;

			place(frames[i], 0, caller ? width : 0, caller);
			if (caller)
				depth = frames[i].depth;
		}
		reset.textContent = to ? "reset zoom" : "";
	}

	/* A frame within a frame that matched is counted with it, once. */
	function search(text) {
		var needle = text.toLowerCase();
		var sum = 0, count = 0, inside = -1;

		frames.forEach(function (f) {
			var hit = needle && (f.name + "\n" + f.place)
				.toLowerCase().indexOf(needle) >= 0;

			f.g.classList.toggle("hit", !!hit);
			if (f.depth <= inside)
				inside = -1;
			if (!hit)
				return;
			count++;
			if (inside < 0) {
				sum += f.size;
				inside = f.depth;
			}
		});
		svg.classList.toggle("searching", !!needle);
		matched.textContent = !needle ? "" : count === 0 ? "no match" :
			share(sum) + ", " + amount(sum) + " in " + count +
			(count === 1 ? " frame" : " frames");
		if (input.value !== text)
			input.value = text;
	}

	function draw() {
		var state = read();

		search(state.search);
		zoom(state.zoom);
	}

	function resize() {
		var page = document.documentElement;

		width = svg === page ? Math.max(720, page.clientWidth ||
						window.innerWidth) : 1200;
		svg.setAttribute("width", width);
		svg.setAttribute("viewBox", "0 0 " + width + " " + height);
		svg.querySelectorAll(".paper").forEach(function (paper) {
			paper.setAttribute("width", width);
		});
		[matched, reset].forEach(function (text) {
			text.setAttribute("x", width - 10);
		});
		box.setAttribute("x", width - 310);
		draw();
	}

	function add_box() {
		box = document.createElementNS(SVG, "foreignObject");
		box.setAttribute("y", 6);
		box.setAttribute("width", 300);
		box.setAttribute("height", 26);
		input = document.createElementNS(HTML, "input");
		input.setAttribute("type", "search");
		input.setAttribute("placeholder",
				   "search names and files (Ctrl-F)");
		input.addEventListener("input", function () {
			go({ search: input.value }, true);
		});
		box.appendChild(input);
		head.appendChild(box);
	}

	function frame_at(event) {
		var g = event.target.closest(".f");

		return frames.findIndex(function (f) {
			return f.g === g;
		});
	}

	function tell(f) {
		status.textContent = !f ? hint :
			f.name + "   " + f.weight + "   " + f.place;
		tip.remove();
		if (f) {
			tip.textContent = f.g.getAttribute("data-tip");
			f.g.appendChild(tip);
		}
	}

	function shown(i) {
		return !frames[i].g.classList.contains("off");
	}

	function caller(i) {
		var depth = frames[i].depth;

		while (i > 0 && frames[i].depth >= depth)
			i--;
		return i;
	}

	/* The widest of what frame i calls, or i. */
	function callee(i) {
		var best = i;

		for (var k = i + 1; k < frames.length &&
		     frames[k].depth > frames[i].depth; k++)
			if (frames[k].depth === frames[i].depth + 1 &&
			    shown(k) && (best === i ||
					 frames[k].size > frames[best].size))
				best = k;
		return best;
	}

	/* The next one in its row, or i. */
	function beside(i, step) {
		var k = i + step;

		while (k > 0 && k < frames.length &&
		       (frames[k].depth !== frames[i].depth || !shown(k)))
			k += step;
		return k > 0 && k < frames.length ? k : i;
	}

	/* By keys to frame i. */
	function walk(i) {
		if (at >= 0)
			frames[at].g.classList.remove("at");
		at = i;
		tell(i >= 0 ? frames[i] : null);
		if (i < 0)
			return;
		frames[i].g.classList.add("at");
		frames[i].g.scrollIntoView({ block: "nearest" });
	}

	function on_arrow(event) {
		var here = at < 0 || !shown(at) ? read().zoom : at;
		var to = {
			ArrowDown: at < 0 ? here : callee(here),
			ArrowUp: caller(here),
			ArrowLeft: beside(here, -1),
			ArrowRight: beside(here, 1),
		}[event.key];

		if (to === undefined || document.activeElement === input)
			return false;
		event.preventDefault();
		walk(to);
		return true;
	}

	function on_key(event) {
		var control = event.ctrlKey || event.metaKey;
		var find = event.key === "f" && control;

		if (on_arrow(event))
			return;
		if (event.key === "Enter" && at >= 0 &&
		    document.activeElement !== input)
			return go({ zoom: at });

		/* A second Ctrl-F is for the browser's own search. */
		if ((find || event.key === "/") &&
		    document.activeElement !== input) {
			event.preventDefault();
			input.focus();
			input.select();
		} else if (event.key === "Escape") {
			walk(-1);
			go(read().search ? { search: "" } : { zoom: 0 });
			input.blur();
		}
	}

	svg.addEventListener("click", function (event) {
		var i = frame_at(event);

		if (i >= 0)
			go({ zoom: i });
	});
	svg.addEventListener("mouseover", function (event) {
		tell(frames[frame_at(event)]);
	});
	reset.addEventListener("click", function () { go({ zoom: 0 }); });
	window.addEventListener("keydown", on_key);
	window.addEventListener("hashchange", draw);
	window.addEventListener("resize", resize);
	/* The title, the search and the figures stay in sight. */
	window.addEventListener("scroll", function () {
		var down = "translate(0," + window.scrollY + ")";

		if (svg === document.documentElement)
			head.setAttribute("transform", down);
	});
	status.setAttribute("aria-live", "polite");
	add_box();
	resize();
})();
