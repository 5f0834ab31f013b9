"use strict";
(() => {
  // All text goes into the page as text: nothing of the document is run or parsed as HTML.
  const el = (name, attributes, ...children) => {
    const e = document.createElement(name);
    for (const [k, v] of Object.entries(attributes || {})) e.setAttribute(k, v);
    e.append(...children.filter((c) => c !== null && c !== undefined));
    return e;
  };
  let doc;
  const find = (x) => {
    if (!x || !x.$ref) return x || {};
    return x.$ref.split("/").slice(1).reduce((at, name) => at[name], doc);
  };
  const title = (x) => (x.$ref ? x.$ref.split("/").pop() : "");

  // kind says in a few words what a schema allows.
  const kind = (s) => {
    if (s.$ref) return title(s);
    if (s.enum) return s.enum.map((v) => JSON.stringify(v)).join(" | ");
    if (s.anyOf) return s.anyOf.map(kind).join(" | ");
    const types = [].concat(s.type || "anything");
    return types.map((t) => {
      if (t === "array") return "list of " + kind(s.items || {});
      if (t === "object" && s.additionalProperties && s.additionalProperties.type) return "object of " + kind(s.additionalProperties);
      let words = s.format || t;
      if (t === "integer" || t === "number") {
        if (s.minimum !== undefined) words += " ≥ " + s.minimum;
        if (s.maximum !== undefined) words += " ≤ " + s.maximum;
      }
      return words;
    }).join(" | ");
  };

  // objects are the schemas with members that a schema leads to.
  const objects = (s) => {
    s = s || {};
    if (s.anyOf) return s.anyOf.flatMap(objects);
    const at = find(s);
    if (at !== s && at.anyOf) return at.anyOf.flatMap(objects);
    if (at.properties) return [at];
    if (at.items) return objects(at.items);
    if (at.additionalProperties) return objects(at.additionalProperties);
    return [];
  };

  // needs are the members that a body must have.
  const needs = (s) => [].concat(s.required || [], find(s).required || []);

  const members = (s, depth, needed) => {
    const box = el("div");
    for (const object of objects(s)) {
      const table = el("table");
      for (const [name, of] of Object.entries(object.properties)) {
        const says = el("td", {}, of.description || "");
        if (objects(of).length && depth < 6) {
          const more = el("details", {}, el("summary", {}, "members"));
          more.addEventListener("toggle", () => { if (more.open && more.childElementCount === 1) more.append(members(of, depth + 1)); });
          says.append(more);
        }
        const required = needed && needed.includes(name);
        table.append(el("tr", {}, el("td", {}, el("code", {}, name), required ? " *" : ""), el("td", {}, kind(of)), says));
      }
      box.append(table);
    }
    return box;
  };

  // example is a value that a schema allows: what is required, or else the first few members.
  const example = (s, name, depth, made) => {
    const at = find(s);
    if (at.anyOf) return example(at.anyOf.find((x) => x.$ref) || at.anyOf[0], name, depth);
    if (at.enum) return at.enum[0];
    if (at.examples) return at.examples[0];
    switch ([].concat(at.type || "")[0]) {
      case "string": return at.format === "date-time" ? "2026-01-31T00:00:00Z" : "…";
      case "boolean": return true;
      case "integer": case "number": return Math.max(at.minimum || 0, 1);
      case "array": return name === "messages" ? [{ role: "user", content: "Hello" }] : at.items && [].concat(at.items.type)[0] === "string" ? [example(at.items, name, depth)] : [];
      case "object": {
        const out = {};
        if (depth > 1) return out;
        let names = needs(s);
        if (!names.length) names = Object.keys(at.properties || {}).filter((n) => /(_id|_ids|_alias|^keys?|^models|^max_budget|_role)$/.test(n) && !(made && n === "key")).slice(0, 3);
        for (const n of names) out[n] = example(at.properties[n], n, depth + 1);
        return out;
      }
    }
    return "…";
  };

  const quote = (text) => "'" + text.replaceAll("'", "'\\''") + "'";
  const curl = (method, path, op) => {
    const inPath = {};
    const query = [];
    for (const p of op.parameters || []) {
      const value = encodeURIComponent((p.schema.examples || [p.name.toUpperCase()])[0]);
      if (p.in === "path") inPath[p.name] = value;
      if (p.in === "query" && (p.required || /(info|members\/me)$/.test(path) && p.schema.examples)) query.push(p.name + "=" + value);
    }
    const where = path.replace(/\{(\w+)\}/g, (_, name) => inPath[name]) + (query.length ? "?" + query.join("&") : "");
    const lines = ["curl " + (method === "get" ? "" : "-X " + method.toUpperCase() + " ") + quote(location.origin + where)];
    if (!op.security || op.security.length) lines.push('-H "Authorization: Bearer $KEY"');
    if (op.requestBody) {
      lines.push("-H 'Content-Type: application/json'");
      lines.push("-d " + quote(JSON.stringify(example(op.requestBody.content["application/json"].schema, "", 0, /\/(generate|new)$/.test(path)))));
    }
    return lines.join(" \\\n  ");
  };

  // command is a line for a shell, with a button where the browser lets a page copy.
  const command = (text) => {
    const box = el("div", { class: "curl" }, el("pre", { tabindex: "0", "aria-label": "As curl" }, text));
    if (!navigator.clipboard) return box;
    const copy = el("button", { type: "button" }, "Copy");
    copy.addEventListener("click", () => {
      navigator.clipboard.writeText(text).then(() => { copy.textContent = "Copied"; }, () => { copy.textContent = "Not allowed"; })
        .then(() => setTimeout(() => { copy.textContent = "Copy"; }, 2000));
    });
    box.append(copy);
    return box;
  };

  // errors says how calls can fail.
  const errors = () => {
    const is = doc.components.responses.Error;
    const section = el("section", { id: "errors" }, el("h2", {}, "Errors"), el("p", {}, is.description));
    section.append(members(is.content["application/json"].schema, 0));
    const table = el("table", { class: "errors" });
    for (const f of is["x-failures"] || []) table.append(el("tr", {}, el("td", {}, el("code", {}, String(f.status))), el("td", {}, el("code", {}, f.type)), el("td", {}, f.description)));
    section.append(el("h3", {}, "Statuses and types"), table);
    return section;
  };

  const inside = (box, method, path, op) => {
    if (op.description) box.append(el("p", {}, op.description));
    if (op.security && !op.security.length) box.append(el("p", { class: "dim" }, "No key is needed."));
    box.append(command(curl(method, path, op)));
    if (op.parameters) {
      const table = el("table");
      for (const p of op.parameters) table.append(el("tr", {}, el("td", {}, el("code", {}, p.name), p.required ? " *" : ""), el("td", {}, p.in + ": " + kind(p.schema)), el("td", {}, p.description || "")));
      box.append(el("h3", {}, "Parameters"), table);
    }
    if (op.requestBody) {
      const s = op.requestBody.content["application/json"].schema;
      box.append(el("h3", {}, "Body ", el("span", { class: "dim" }, kind(s))), members(s, 0, needs(s)));
    }
    for (const [status, answer] of Object.entries(op.responses)) {
      const is = find(answer);
      for (const [type, content] of Object.entries(is.content || {})) {
        const shown = el("details", {}, el("summary", {}, status + " " + is.description + " ", el("span", { class: "dim" }, type + (content.schema ? " " + kind(content.schema) : ""))));
        shown.append(members(content.schema || {}, 0));
        if (/^[45]/.test(status)) shown.append(el("p", {}, el("a", { href: "#errors" }, "What errors mean")));
        if (status === "200") shown.open = true;
        box.append(shown);
      }
    }
  };

  // show opens what the address names.
  const show = () => {
    const asked = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!asked) return;
    if (asked.hidden || (asked.parentElement && asked.parentElement.hidden)) filter("");
    if (asked.tagName === "DETAILS") asked.open = true;
    asked.scrollIntoView();
  };

  // filter shows the operations that have all words of text.
  const filter = (text) => {
    const field = document.getElementById("filter");
    if (field.value !== text) field.value = text;
    const words = text.toLowerCase().split(/\s+/);
    let shown = 0;
    let all = 0;
    for (const section of document.querySelectorAll("main > section")) {
      let any = section.id === "errors" && !text;
      for (const d of section.querySelectorAll("details.op")) {
        all++;
        d.hidden = !words.every((w) => d.dataset.text.includes(w));
        if (!d.hidden) { any = true; shown++; }
      }
      section.hidden = !any;
    }
    document.getElementById("count").textContent = text ? (shown || "none") + " of " + all : all + " endpoints";
  };

  const draw = () => {
    document.getElementById("version").textContent = doc.info.version;
    document.getElementById("about").textContent = doc.info.description;
    const main = document.getElementById("operations");
    const nav = document.getElementById("groups");
    main.replaceChildren();
    const sections = {};
    for (const { name } of doc.tags) {
      sections[name] = el("section", { id: name }, el("h2", {}, name));
      nav.append(el("a", { href: "#" + name }, name));
      main.append(sections[name]);
    }
    for (const [path, item] of Object.entries(doc.paths)) {
      for (const [method, op] of Object.entries(item)) {
        const box = el("div", { class: "inside" });
        const d = el("details", { class: "op", id: op.operationId },
          el("summary", {}, el("span", { class: "method " + method }, method.toUpperCase()), el("code", {}, path), el("span", { class: "dim" }, op.summary || "")), box);
        d.dataset.text = (method + " " + path + " " + op.operationId + " " + op.summary).toLowerCase();
        d.addEventListener("toggle", () => {
          if (!d.open) return;
          if (!box.childElementCount) inside(box, method, path, op);
          history.replaceState(null, "", "#" + op.operationId); // an address to send to somebody
        });
        (sections[(op.tags || [])[0]] || main).append(d);
      }
    }
    nav.append(el("a", { href: "#errors" }, "Errors"));
    main.append(errors());
    const field = document.getElementById("filter");
    field.addEventListener("input", () => filter(field.value));
    document.getElementById("search").addEventListener("submit", (e) => {
      e.preventDefault();
      const first = main.querySelector("details.op:not([hidden]) > summary");
      if (first) first.focus();
    });
    addEventListener("keydown", (e) => {
      if (e.key === "/" && !e.ctrlKey && !e.metaKey && !e.altKey && document.activeElement !== field) { e.preventDefault(); field.focus(); }
      if (e.key === "Escape" && document.activeElement === field) filter("");
    });
    addEventListener("hashchange", show);
    filter("");
    show();
  };

  fetch("openapi.json").then((r) => r.ok ? r.json() : Promise.reject(new Error(r.status + " " + r.statusText)))
    .then((d) => { doc = d; draw(); })
    .catch((e) => { document.getElementById("operations").replaceChildren(el("p", {}, "openapi.json cannot be shown: " + e.message)); });
})();
