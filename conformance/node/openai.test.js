// OpenAI's JavaScript library against the gateway, for every provider behind it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import OpenAI from "openai";

const { PENSTOCK_URL: url, PENSTOCK_KEY: master } = process.env;
assert(url && master, "these tests need a running gateway, start them with conformance/run");

const client = (apiKey = master) => new OpenAI({ baseURL: url + "/v1", apiKey, maxRetries: 0, timeout: 20_000 });
const say = (words) => [
  { role: "system", content: "Be brief." },
  { role: "user", content: words },
];
const greeting = /^Hello from the Penstock mock\./;
const pixel =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const tools = [
  {
    type: "function",
    function: {
      name: "weather",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  },
];

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

function wantToolCall(choice) {
  assert.equal(choice.finish_reason, "tool_calls");
  assert.equal(choice.message.tool_calls.length, 1);
  const [call] = choice.message.tool_calls;
  assert.ok(call.id);
  assert.equal(call.function.name, "weather");
  assert.ok("city" in JSON.parse(call.function.arguments));
  return call;
}

for (const provider of ["openai", "anthropic", "gemini"]) {
  describe(provider, () => {
    const c = client();

    test("chat", async () => {
      const got = await c.chat.completions.create({ model: provider + "/js-chat", messages: say("Hi") });
      assert.match(got.choices[0].message.content, greeting);
      assert.equal(got.choices[0].finish_reason, "stop");
      assert.equal(got.usage.completion_tokens, 12);
      assert.equal(got.usage.total_tokens, got.usage.prompt_tokens + 12);
    });

    test("a stream has no usage unless it is asked for", async () => {
      const chunks = await collect(
        await c.chat.completions.create({ model: provider + "/js-stream", messages: say("Hi"), stream: true }),
      );
      assert.match(chunks.map((x) => x.choices[0].delta.content ?? "").join(""), greeting);
      assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
      assert.deepEqual(chunks.filter((x) => x.usage), []);
    });

    test("a stream ends with the usage that is asked for", async () => {
      const chunks = await collect(
        await c.chat.completions.create({
          model: provider + "/js-stream",
          messages: say("Hi"),
          stream: true,
          stream_options: { include_usage: true },
        }),
      );
      assert.equal(chunks.filter((x) => x.usage).length, 1);
      assert.deepEqual(chunks.at(-1).choices, []);
      assert.equal(chunks.at(-1).usage.completion_tokens, 12);
    });

    test("a tool is called, and its result goes back", async () => {
      const model = provider + "/js-tool";
      const messages = say("Use the tool.");
      const got = await c.chat.completions.create({ model, messages, tools });
      const call = wantToolCall(got.choices[0]);
      messages.push(
        got.choices[0].message,
        { role: "tool", tool_call_id: call.id, content: "It rains." },
        { role: "user", content: "Thanks." },
      );
      const next = await c.chat.completions.create({ model, messages, tools });
      assert.match(next.choices[0].message.content, greeting);
    });

    test("a tool is called in a stream", async () => {
      // The library's own helper puts the pieces together, and is strict.
      const s = c.chat.completions.stream({ model: provider + "/js-tool", messages: say("Use the tool."), tools });
      const got = await s.finalChatCompletion();
      wantToolCall(got.choices[0]);
    });

    test("an image", async () => {
      const content = [
        { type: "text", text: "What is this?" },
        { type: "image_url", image_url: { url: pixel } },
      ];
      const got = await c.chat.completions.create({ model: provider + "/js-image", messages: [{ role: "user", content }] });
      assert.match(got.choices[0].message.content, greeting);
    });

    test("embeddings", async () => {
      const p = { model: provider + "/js-embed", input: ["one", "two"] };
      if (provider === "anthropic") {
        await assert.rejects(c.embeddings.create(p), OpenAI.BadRequestError);
        return;
      }
      // Without a format the library asks for base64 and decodes it.
      const packed = await c.embeddings.create(p);
      const plain = await c.embeddings.create({ ...p, encoding_format: "float" });
      assert.deepEqual(packed.data.map((x) => x.index), [0, 1]);
      assert.ok(plain.usage.prompt_tokens > 0);
      packed.data.forEach((x, i) => {
        const want = plain.data[i].embedding;
        assert.equal(x.embedding.length, want.length);
        x.embedding.forEach((v, j) => assert.ok(Math.abs(v - want[j]) < 1e-5, `${v} is not ${want[j]}`));
      });
    });

    for (const [model, want] of [
      ["mock-status=401", OpenAI.AuthenticationError],
      ["mock-status=403", OpenAI.PermissionDeniedError],
      ["mock-status=404", OpenAI.NotFoundError],
      ["mock-status=400", OpenAI.BadRequestError],
      ["mock-status=429,retry_after=7", OpenAI.RateLimitError],
      ["mock-status=500", OpenAI.InternalServerError],
      ["mock-status=503", OpenAI.InternalServerError],
    ]) {
      for (const stream of [false, true]) {
        test(`${model} is a ${want.name}${stream ? " in a stream" : ""}`, async () => {
          const asked = c.chat.completions.create({ model: `${provider}/${model}`, messages: say("Hi"), stream });
          await assert.rejects(asked, (err) => {
            assert.equal(err.constructor, want);
            assert.ok(err.error.message);
            if (want === OpenAI.RateLimitError) assert.equal(err.headers.get("retry-after"), "7");
            return true;
          });
        });
      }
    }

    test("an error in the middle of a stream", async () => {
      const s = await c.chat.completions.create({ model: provider + "/mock-error=3", messages: say("Hi"), stream: true });
      await assert.rejects(collect(s), OpenAI.APIError);
    });
  });
}

describe("the gateway itself", () => {
  const ask = (c, model) => c.chat.completions.create({ model, messages: say("Hi") });

  test("lists its models", async () => {
    const names = (await collect(client().models.list())).map((m) => m.id);
    assert.ok(names.includes("plain-name"));
    assert.equal((await client().models.retrieve("plain-name")).id, "plain-name");
    await assert.rejects(client().models.retrieve("no-such-model"), OpenAI.NotFoundError);
  });

  test("refuses a key that nobody made", () =>
    assert.rejects(ask(client("sk-nobody-made-this"), "plain-name"), OpenAI.AuthenticationError));

  test("refuses a key for another model", async () => {
    const made = await fetch(url + "/key/generate", {
      method: "POST",
      headers: { Authorization: "Bearer " + master, "Content-Type": "application/json" },
      body: JSON.stringify({ models: ["plain-name"] }),
    });
    const { key } = await made.json();
    await ask(client(key), "plain-name");
    await assert.rejects(ask(client(key), "openai/js-chat"), OpenAI.PermissionDeniedError);
  });

  test("refuses a model that is not configured", () => assert.rejects(ask(client(), "no-such-model"), OpenAI.BadRequestError));
});
