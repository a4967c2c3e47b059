/*
 * Pages in headless Chromium, driven a line at a time.
 *
 *   node browser.mjs CHROMIUM NODE_MODULES
 *
 * Each line of standard input is {"do": ACTION, ...} in JSON, and is answered
 * by a line: {"ok": VALUE} or {"error": TEXT}.  One page is open at a time;
 * what it complained of and asked for is kept until `told` is asked.
 */
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [chromium_path, modules] = process.argv.slice(2);
const require = createRequire(modules + "/");
const { chromium } = require("playwright-core");
/* Without these it would call its maker. */
const browser = await chromium.launch({
	executablePath: chromium_path,
	args: ["--no-sandbox", "--disable-gpu", "--disable-quic",
		"--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync"],
});
let context = null, page = null, complaints = [], requests = [];

const actions = {
	/* How long it took until the page said that it is ready, in ms. */
	async open({ url, ready, options }) {
		let began;

		if (context)
			await context.close();
		context = await browser.newContext(options);
		page = await context.newPage();
		page.setDefaultTimeout(120000);
		complaints = [];
		requests = [];
		page.on("console", (message) => complaints.push(message.text()));
		page.on("pageerror", (error) => complaints.push(error.stack));
		page.on("dialog", (dialog) => {
			complaints.push("dialog: " + dialog.message());
			dialog.dismiss();
		});
		page.on("request", (request) => requests.push(request.url()));
		began = performance.now();
		await page.goto(url);
		if (ready)
			await page.waitForSelector(ready, { timeout: 120000,
				state: "attached" });
		return performance.now() - began;
	},
	told: async () => ({ complaints, requests }),
	evaluate: ({ script }) => page.evaluate(script),
	click: ({ on }) => page.locator(on).first().click(),
	click_at: async ({ on, x, y }) => page.locator(on).first()
		.click({ position: { x, y } }),
	press: ({ keys }) => page.keyboard.press(keys),
	type: ({ on, text }) => page.locator(on).first().fill(text),
	choose: ({ on, value }) => page.locator(on).first()
		.selectOption(value),
	async drag({ on, from, to }) {
		const box = await page.locator(on).first().boundingBox();

		await page.mouse.move(box.x + from * box.width, box.y + 20);
		await page.mouse.down();
		await page.mouse.move(box.x + to * box.width, box.y + 30,
				      { steps: 5 });
		await page.mouse.up();
	},
	hover: async ({ on, x, y }) => page.locator(on).first()
		.hover({ position: { x, y } }),
	/* Playwright's own would eval in the page, which refuses it. */
	async wait({ script }) {
		const deadline = performance.now() + 120000;

		while (!await page.evaluate(script)) {
			if (performance.now() > deadline)
				throw new Error(`never so: ${script}`);
			await page.waitForTimeout(20);
		}
	},
	media: ({ options }) => page.emulateMedia(options),
	picture: ({ path, whole }) => page.screenshot(
		{ path, fullPage: whole }).then(() => path),
	pdf: ({ path }) => page.pdf({ path, format: "A4" }).then(() => path),
	/* What stands in somebody's way, by axe-core's rules. */
	async obstacles() {
		await page.addScriptTag({ path: require.resolve("axe-core") });
		return page.evaluate(async () => (await window.axe.run({
			runOnly: ["wcag2a", "wcag2aa"],
		})).violations.map((found) => `${found.id}: ` +
			found.nodes.slice(0, 3).map((node) => node.html.slice(
				0, 160)).join(" | ")));
	},
};

for await (const line of createInterface({ input: process.stdin })) {
	const asked = JSON.parse(line);
	let answer;

	try {
		answer = { ok: await actions[asked.do](asked) ?? null };
	} catch (error) {
		answer = { error: String(error.stack) };
	}
	process.stdout.write(JSON.stringify(answer) + "\n");
}
await browser.close();
