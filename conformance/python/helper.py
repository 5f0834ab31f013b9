"""What the tests share: clients of the running gateway, and the three providers behind it."""

import os

import anthropic
import openai

URL = os.environ["PENSTOCK_URL"]
KEY = os.environ["PENSTOCK_KEY"]

PROVIDERS = ("openai", "anthropic", "gemini")
EMBED = ("openai", "gemini")  # Anthropic has no embeddings
GREETING = "Hello from the Penstock mock."
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def client(key=KEY):
    return openai.OpenAI(base_url=URL + "/v1", api_key=key, max_retries=0, timeout=20)


def claude():
    return anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0, timeout=20)


def say(words):
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": words}]


WEATHER_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER_SCHEMA}}]
