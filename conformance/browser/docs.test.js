// The page at /docs in Chromium: as people see it, at a desk and on a phone, in
// the light and in the dark.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

const { PENSTOCK_URL: url, PENSTOCK_KEY: master, CHROMIUM: executablePath } = process.env;
assert(url && master && executablePath, "these tests need a running gateway and a browser, start them with conformance/run");

let browser;
before(async () => { browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--no-proxy-server"] }); });
after(async () => { await browser.close(); });

// open opens the page, and fails the test if a script complains or anything is
// asked of another host.
async function open(t, options = {}, hash = "") {
  const page = await browser.newPage(options);
  const complaints = [];
  const asked = [];
  page.on("console", (m) => { if (["error", "warning"].includes(m.type())) complaints.push(m.text()); });
  page.on("pageerror", (e) => complaints.push(String(e)));
  page.on("requestfailed", (r) => complaints.push("failed: " + r.url()));
  page.on("request", (r) => asked.push(r.url()));
  t.after(async () => {
    await page.close();
    assert.deepEqual(complaints, []);
    const elsewhere = asked.filter((a) => !a.startsWith(url + "/") && !a.startsWith("data:"));
    assert.deepEqual(elsewhere, []);
  });
  await page.goto(url + "/docs" + hash);
  await page.locator("details.op").first().waitFor();
  return page;
}

const document = async () => (await fetch(url + "/openapi.json")).json();
const shown = (page) => page.locator("details.op:visible");

for (const [where, viewport] of [["at a desk", { width: 1280, height: 900 }], ["on a phone", { width: 390, height: 844 }]]) {
  for (const colorScheme of ["light", "dark"]) {
    test(`all groups and endpoints are there ${where} in the ${colorScheme}`, async (t) => {
      const doc = await document();
      const page = await open(t, { viewport, colorScheme });
      assert.deepEqual(await page.locator("nav a").allTextContents(), [...doc.tags.map((x) => x.name), "Errors"]);
      assert.deepEqual(await page.locator("main h2").allTextContents(), [...doc.tags.map((x) => x.name), "Errors"]);
      assert.equal(await shown(page).count(), Object.values(doc.paths).flatMap((item) => Object.keys(item)).length);
      await page.locator("#postKeyGenerate > summary").click();
      await page.getByText("How long the key lives").first().waitFor();
      const [needed, there] = await page.evaluate(() => [window.document.documentElement.scrollWidth, window.innerWidth]);
      assert(needed <= there, `the page is ${needed} wide, its window ${there}`);
      // Text and what is behind it differ enough to be read.
      const contrast = await page.evaluate(() => {
        const light = (c) => {
          const [r, g, b] = c.match(/[\d.]+/g).map((n) => n / 255).map((n) => (n <= 0.03928 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4));
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const back = getComputedStyle(window.document.documentElement).backgroundColor;
        return [...window.document.querySelectorAll("h2, summary code, .dim, nav a, td, td:nth-child(2), a")].map((e) => {
          const [a, b] = [light(getComputedStyle(e).color), light(back)].sort((x, y) => y - x);
          return (a + 0.05) / (b + 0.05);
        }).reduce((a, b) => Math.min(a, b));
      });
      assert(contrast >= 4.5, `the least contrast is ${contrast.toFixed(1)}, 4.5 can be read`);
    });
  }
}

test("every endpoint opens, with a curl and all that leads further", async (t) => {
  const page = await open(t);
  await page.evaluate(() => {
    for (const d of window.document.querySelectorAll("details.op")) d.open = true;
  });
  await page.waitForFunction(() => [...window.document.querySelectorAll("details.op .inside")].every((e) => e.childElementCount > 0));
  for (let round = 0; round < 3; round++) {
    await page.evaluate(() => {
      for (const d of window.document.querySelectorAll("details:not([open])")) d.open = true;
    });
    await page.evaluate(() => new Promise((done) => setTimeout(done)));
  }
  for (const [id, text] of await page.locator("details.op").evaluateAll((all) => all.map((d) => [d.id, d.textContent]))) {
    assert.match(text, /curl (-X \w+ )?'http:/, id);
    assert.match(text, /4XX/, id);
    assert.doesNotMatch(text, /undefined|\[object|NaN/, id);
  }
});

test("the filter shows what has its words, and the keyboard is enough", async (t) => {
  const page = await open(t);
  await page.keyboard.press("/");
  await page.keyboard.type("post /key/generate");
  assert.deepEqual(await shown(page).evaluateAll((all) => all.map((d) => d.id)), ["postKeyGenerate"]);
  assert.match(await page.getByRole("status").textContent(), /^1 of \d+$/);
  await page.keyboard.press("Enter"); // to the first that is left
  await page.keyboard.press("Enter"); // opens it
  await page.getByText("model_max_budget").first().waitFor();
  assert.equal(new URL(page.url()).hash, "#postKeyGenerate");
  await page.keyboard.press("/");
  await page.keyboard.press("Escape");
  assert((await shown(page).count()) > 100);
  await page.getByRole("searchbox").fill("no such words");
  assert.equal(await shown(page).count(), 0);
  assert.match(await page.getByRole("status").textContent(), /^none of/);
});

test("an address leads to its endpoint, and an endpoint to what its errors mean", async (t) => {
  const page = await open(t, {}, "#postTeamNew");
  const team = page.locator("#postTeamNew");
  await team.locator(".inside pre").waitFor();
  await team.locator("summary", { hasText: "4XX" }).click();
  await team.getByRole("link", { name: "What errors mean" }).first().click();
  await page.waitForFunction(() => window.document.getElementById("errors").getBoundingClientRect().top < window.innerHeight);
  const text = await page.locator("#errors").textContent();
  for (const word of ["budget_exceeded", "429", "throttling_error"]) assert(text.includes(word), word);
  // A group that the filter hides is shown when it is asked for.
  await page.getByRole("searchbox").fill("key");
  await page.getByRole("link", { name: "Health", exact: true }).click();
  await page.locator("#Health h2").waitFor();
});

test("the line that the page shows for a new team makes one", async (t) => {
  const context = await browser.newContext({ permissions: ["clipboard-read", "clipboard-write"] });
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(url + "/docs#postTeamNew");
  await page.locator("#postTeamNew").getByRole("button", { name: "Copy" }).click();
  await page.getByText("Copied").waitFor();
  const line = await page.evaluate(() => navigator.clipboard.readText());
  const made = JSON.parse(line.match(/-d '(.*?)'/s)[1]);
  made.team_id = "docs-" + process.pid;
  delete made.organization_id; // it is somebody's who is not here
  const answer = await fetch(url + "/team/new", {
    method: "POST",
    headers: { Authorization: "Bearer " + master, "Content-Type": "application/json" },
    body: JSON.stringify(made),
  });
  assert.equal(answer.status, 200, await answer.text());
});
