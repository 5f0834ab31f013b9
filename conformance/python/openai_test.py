"""OpenAI's Python library against the gateway, for every provider behind it."""

import functools
import json
import unittest
import urllib.request

import openai

from helper import EMBED, GREETING, KEY, PIXEL, PROVIDERS, URL, WEATHER, client, say


def each(test):
    """Runs a test once for every provider."""

    @functools.wraps(test)
    def run(self):
        for provider in PROVIDERS:
            with self.subTest(provider):
                test(self, client(), provider)

    return run


def new_key(models):
    r = urllib.request.Request(
        URL + "/key/generate",
        json.dumps({"models": models}).encode(),
        {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(r, timeout=20) as res:
        return json.load(res)["key"]


class Chat(unittest.TestCase):
    @each
    def test_chat(self, c, p):
        got = c.chat.completions.create(model=p + "/py-chat", messages=say("Hi"))
        self.assertTrue(got.choices[0].message.content.startswith(GREETING))
        self.assertEqual(got.choices[0].finish_reason, "stop")
        self.assertEqual(got.object, "chat.completion")
        self.assertEqual(got.usage.completion_tokens, 12)
        self.assertEqual(got.usage.total_tokens, got.usage.prompt_tokens + 12)

    @each
    def test_stream_has_no_usage_unless_asked(self, c, p):
        chunks = list(c.chat.completions.create(model=p + "/py-stream", messages=say("Hi"), stream=True))
        text = "".join(x.choices[0].delta.content or "" for x in chunks)
        self.assertTrue(text.startswith(GREETING), text)
        self.assertEqual(chunks[-1].choices[0].finish_reason, "stop")
        self.assertEqual([x.usage for x in chunks if x.usage], [])

    @each
    def test_stream_with_usage(self, c, p):
        chunks = list(
            c.chat.completions.create(
                model=p + "/py-stream", messages=say("Hi"), stream=True, stream_options={"include_usage": True}
            )
        )
        self.assertEqual([x.usage is not None for x in chunks], [False] * (len(chunks) - 1) + [True])
        self.assertEqual(chunks[-1].choices, [])
        self.assertEqual(chunks[-1].usage.completion_tokens, 12)

    @each
    def test_tools(self, c, p):
        messages = say("Use the tool.")
        got = c.chat.completions.create(model=p + "/py-tool", messages=messages, tools=WEATHER)
        self.assertEqual(got.choices[0].finish_reason, "tool_calls")
        (call,) = got.choices[0].message.tool_calls
        self.assertEqual(call.function.name, "weather")
        self.assertIn("city", json.loads(call.function.arguments))

        messages += [
            got.choices[0].message,
            {"role": "tool", "tool_call_id": call.id, "content": "It rains."},
            {"role": "user", "content": "Thanks."},
        ]
        got = c.chat.completions.create(model=p + "/py-tool", messages=messages, tools=WEATHER)
        self.assertTrue(got.choices[0].message.content.startswith(GREETING))

    @each
    def test_tools_in_a_stream(self, c, p):
        # The library's own helper puts the pieces together, and is strict.
        with c.chat.completions.stream(model=p + "/py-tool", messages=say("Use the tool."), tools=WEATHER) as s:
            choice = s.get_final_completion().choices[0]
        self.assertEqual(choice.finish_reason, "tool_calls")
        (call,) = choice.message.tool_calls
        self.assertEqual(call.function.name, "weather")
        self.assertTrue(call.id)
        self.assertIn("city", json.loads(call.function.arguments))

    @each
    def test_image(self, c, p):
        content = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
        got = c.chat.completions.create(model=p + "/py-image", messages=[{"role": "user", "content": content}])
        self.assertTrue(got.choices[0].message.content.startswith(GREETING))


class Others(unittest.TestCase):
    def test_embeddings(self):
        for p in EMBED:
            with self.subTest(p):
                # Without a format the library asks for base64 and decodes it.
                packed = client().embeddings.create(model=p + "/py-embed", input=["one", "two"])
                plain = client().embeddings.create(model=p + "/py-embed", input=["one", "two"], encoding_format="float")
                self.assertEqual([x.index for x in packed.data], [0, 1])
                self.assertGreater(plain.usage.prompt_tokens, 0)
                for a, b in zip(packed.data, plain.data, strict=True):
                    self.assertEqual(len(a.embedding), len(b.embedding))
                    for x, y in zip(a.embedding, b.embedding, strict=True):
                        self.assertAlmostEqual(x, y, places=5)

    def test_embeddings_of_a_provider_without(self):
        with self.assertRaises(openai.BadRequestError):
            client().embeddings.create(model="anthropic/py-embed", input="one")

    def test_models(self):
        names = [m.id for m in client().models.list()]
        self.assertIn("plain-name", names)
        self.assertEqual(client().models.retrieve("plain-name").id, "plain-name")
        with self.assertRaises(openai.NotFoundError):
            client().models.retrieve("no-such-model")


class Errors(unittest.TestCase):
    ROWS = (
        ("mock-status=401", openai.AuthenticationError),
        ("mock-status=403", openai.PermissionDeniedError),
        ("mock-status=404", openai.NotFoundError),
        ("mock-status=400", openai.BadRequestError),
        ("mock-status=429,retry_after=7", openai.RateLimitError),
        ("mock-status=500", openai.InternalServerError),
        ("mock-status=503", openai.InternalServerError),
    )

    def test_errors_of_the_provider(self):
        for p in PROVIDERS:
            for model, want in self.ROWS:
                for stream in (False, True):
                    with self.subTest(provider=p, model=model, stream=stream):
                        with self.assertRaises(openai.APIStatusError) as caught:
                            client().chat.completions.create(model=f"{p}/{model}", messages=say("Hi"), stream=stream)
                        self.assertIs(type(caught.exception), want)
                        self.assertTrue(caught.exception.body["message"])
                        if want is openai.RateLimitError:
                            self.assertEqual(caught.exception.response.headers["retry-after"], "7")

    def test_error_in_the_middle_of_a_stream(self):
        for p in PROVIDERS:
            with self.subTest(p), self.assertRaises(openai.APIError):
                list(client().chat.completions.create(model=p + "/mock-error=3", messages=say("Hi"), stream=True))

    def test_a_key_that_nobody_made(self):
        with self.assertRaises(openai.AuthenticationError):
            client("sk-nobody-made-this").chat.completions.create(model="plain-name", messages=say("Hi"))

    def test_a_key_for_another_model(self):
        c = client(new_key(["plain-name"]))
        c.chat.completions.create(model="plain-name", messages=say("Hi"))
        with self.assertRaises(openai.PermissionDeniedError):
            c.chat.completions.create(model="openai/py-chat", messages=say("Hi"))

    def test_a_model_that_is_not_configured(self):
        with self.assertRaises(openai.BadRequestError):
            client().chat.completions.create(model="no-such-model", messages=say("Hi"))


if __name__ == "__main__":
    unittest.main()
