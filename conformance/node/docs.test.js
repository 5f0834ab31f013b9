// The page at /docs, drawn by its own script from the document that the gateway
// serves. The few things it asks of a browser are made here.
import assert from "node:assert/strict";
import { test } from "node:test";
import vm from "node:vm";

const { PENSTOCK_URL: url, PENSTOCK_KEY: master } = process.env;
assert(url && master, "these tests need a running gateway, start them with conformance/run");

class Element {
  constructor(name) {
    Object.assign(this, { name, tagName: name.toUpperCase(), attributes: {}, children: [], listeners: {}, dataset: {}, hidden: false, value: "" });
  }
  setAttribute(name, value) { this.attributes[name] = value; }
  append(...more) { this.children.push(...more); }
  replaceChildren(...all) { this.children = all; }
  addEventListener(kind, call) { this.listeners[kind] = call; }
  scrollIntoView() {}
  get elements() { return this.children.filter((c) => c instanceof Element); }
  get childElementCount() { return this.elements.length; }
  get textContent() { return this.children.map((c) => (c instanceof Element ? c.textContent : c)).join(""); }
  set textContent(text) { this.children = [text]; }
  all(test) { return this.elements.flatMap((c) => [...(test(c) ? [c] : []), ...c.all(test)]); }
  querySelectorAll(selector) {
    const [name, kind] = selector.split(".");
    return this.all((e) => e.name === name && (!kind || e.attributes.class === kind));
  }
}

async function open() {
  const answer = await fetch(url + "/docs");
  const html = await answer.text();
  const byId = {};
  for (const [, name, id] of html.matchAll(/<(\w+) id="(\w+)"/g)) byId[id] = new Element(name);
  let drawn;
  const asked = [];
  const page = {
    document: { createElement: (name) => new Element(name), getElementById: (id) => byId[id] ?? null },
    location: { origin: url, hash: "" },
    fetch: (path) => {
      asked.push(path);
      return (drawn = fetch(new URL(path, url + "/docs")));
    },
  };
  vm.runInNewContext(html.match(/<script>(.*)<\/script>/s)[1], page);
  await drawn;
  for (let i = 0; i < 500 && !byId.operations.querySelectorAll("details.op").length; i++) await new Promise(setImmediate);
  return { answer, asked, byId, operations: byId.operations.querySelectorAll("details.op") };
}

test("every operation of the document opens, with a curl", async () => {
  const { asked, byId, operations } = await open();
  const doc = await (await fetch(url + "/openapi.json")).json();
  assert.deepEqual(asked, ["openapi.json"]);
  assert.equal(operations.length, Object.values(doc.paths).flatMap((item) => Object.keys(item)).length);
  assert.deepEqual(byId.groups.elements.map((a) => a.textContent), doc.tags.map((t) => t.name));
  for (const op of operations) {
    op.open = true;
    op.listeners.toggle();
    const shown = op.textContent;
    assert.match(shown, /curl (-X \w+ )?'http:/, op.attributes.id);
    assert.match(shown, /4XX/, op.attributes.id);
    assert.doesNotMatch(shown, /undefined|\[object|NaN/, op.attributes.id);
    for (const more of op.all((e) => e.name === "details" && e.listeners.toggle)) {
      more.open = true;
      more.listeners.toggle();
      assert.doesNotMatch(more.textContent, /undefined|\[object|NaN/, op.attributes.id);
    }
  }
  const body = operations.find((op) => op.attributes.id === "postKeyGenerate").textContent;
  assert.match(body, /model_max_budget/);
  assert.match(body, /How long the key lives/);
});

test("the body that the page shows for a new team makes one", async () => {
  const { operations } = await open();
  const op = operations.find((o) => o.attributes.id === "postTeamNew");
  op.open = true;
  op.listeners.toggle();
  const [, body] = op.textContent.match(/-d '(.*?)'/s);
  const made = JSON.parse(body);
  made.team_id = "docs-" + process.pid;
  delete made.organization_id; // it is somebody's who is not here
  const answer = await fetch(url + "/team/new", {
    method: "POST",
    headers: { Authorization: "Bearer " + master, "Content-Type": "application/json" },
    body: JSON.stringify(made),
  });
  assert.equal(answer.status, 200, await answer.text());
});

test("the filter hides what does not have its words", async () => {
  const { byId, operations } = await open();
  byId.filter.value = "post /key/generate";
  byId.filter.listeners.input();
  assert.deepEqual(operations.filter((op) => !op.hidden).map((op) => op.attributes.id), ["postKeyGenerate"]);
});
