"""Anthropic's Python library against the gateway."""

import unittest

import anthropic

from helper import GREETING, WEATHER_SCHEMA, claude

TOOLS = [{"name": "weather", "input_schema": WEATHER_SCHEMA}]


def ask(words, model="anthropic/py-claude"):
    return {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": words}]}


class Messages(unittest.TestCase):
    def test_message(self):
        got = claude().messages.create(**ask("Hi"))
        self.assertTrue(got.content[0].text.startswith(GREETING))
        self.assertEqual((got.stop_reason, got.usage.output_tokens), ("end_turn", 12))

    def test_stream(self):
        with claude().messages.stream(**ask("Hi")) as s:
            text = "".join(s.text_stream)
            got = s.get_final_message()
        self.assertTrue(text.startswith(GREETING))
        self.assertEqual((got.stop_reason, got.usage.output_tokens), ("end_turn", 12))

    def test_tools(self):
        whole = claude().messages.create(**ask("Use the tool."), tools=TOOLS)
        with claude().messages.stream(**ask("Use the tool."), tools=TOOLS) as s:
            streamed = s.get_final_message()
        for got in (whole, streamed):
            self.assertEqual(got.stop_reason, "tool_use")
            self.assertEqual(got.content[-1].name, "weather")
            self.assertIn("city", got.content[-1].input)

    def test_errors(self):
        for model, want in (
            ("anthropic/mock-status=401", anthropic.AuthenticationError),
            ("anthropic/mock-status=403", anthropic.PermissionDeniedError),
            ("anthropic/mock-status=404", anthropic.NotFoundError),
            ("anthropic/mock-status=400", anthropic.BadRequestError),
            ("anthropic/mock-status=429", anthropic.RateLimitError),
            ("anthropic/mock-status=500", anthropic.InternalServerError),
            ("no-such-model", anthropic.BadRequestError),
        ):
            with self.subTest(model), self.assertRaises(want):
                claude().messages.create(**ask("Hi", model))


if __name__ == "__main__":
    unittest.main()
