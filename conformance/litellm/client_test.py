"""LiteLLM's own Python client and library against the gateway, which stands where LiteLLM's proxy stood."""

import os
import unittest

import litellm
from litellm.proxy.client import Client, UsersManagementClient
from litellm.proxy.client.exceptions import NotFoundError, UnauthorizedError

URL = os.environ["PENSTOCK_URL"]
KEY = os.environ["PENSTOCK_KEY"]
UPSTREAM = os.environ["MOCK_URL"] + "/v1"
GREETING = "Hello from the Penstock mock."


def say(words):
    return [{"role": "user", "content": words}]


class Management(unittest.TestCase):
    def setUp(self):
        self.c = Client(base_url=URL, api_key=KEY)

    def test_a_key_from_its_making_to_its_end(self):
        keys = self.c.keys
        made = keys.generate(models=["gpt-4o"], aliases={"mine": "gpt-4o"}, duration="24h", key_alias="of the client")
        self.assertTrue(made["key"].startswith("sk-"))
        listed = keys.list(key_alias="of the client", return_full_object=True)
        self.assertEqual([k["token"] for k in listed["keys"]], [made["token"]])
        own = Client(base_url=URL, api_key=made["key"])
        self.assertEqual(own.keys.info(key=made["key"])["info"]["models"], ["gpt-4o"])
        answer = own.chat.completions(model="mine", messages=say("Hi"))
        self.assertTrue(answer["choices"][0]["message"]["content"].startswith(GREETING))
        chunks = list(own.chat.completions_stream(model="gpt-4o", messages=say("Hi")))
        self.assertEqual(chunks[-1]["choices"][0]["finish_reason"], "stop")
        self.assertEqual(keys.delete(keys=[made["key"]])["deleted_keys"], [made["key"]])
        with self.assertRaises(UnauthorizedError):
            own.models.list()

    def test_a_model_from_its_making_to_its_end(self):
        models = self.c.models
        made = models.new(model_name="of-the-client", model_params={"model": "openai/plain-model", "api_base": UPSTREAM, "api_key": "upstream-openai"})
        self.assertEqual(models.get(model_id=made["model_id"])["model_name"], "of-the-client")
        models.update(model_id=made["model_id"], model_params={"model": "openai/other-model"})
        got = models.get(model_id=made["model_id"])["litellm_params"]
        self.assertEqual((got["model"], got["api_base"]), ("openai/other-model", UPSTREAM))
        self.assertIn("of-the-client", [m["id"] for m in models.list()])
        self.assertIn("of-the-client", [g["model_group"] for g in self.c.model_groups.info()])
        models.delete(model_id=made["model_id"])
        with self.assertRaises(NotFoundError):
            models.get(model_id=made["model_id"])

    def test_a_credential_with_a_slash_in_its_name(self):
        credentials = self.c.credentials
        credentials.create(credential_name="azure/one", credential_info={"custom_llm_provider": "azure"}, credential_values={"api_key": "secret-of-azure"})
        got = credentials.get(credential_name="azure/one")
        self.assertEqual(got["credential_name"], "azure/one")
        self.assertNotIn("secret-of-azure", str(got) + str(credentials.list()))
        credentials.delete(credential_name="azure/one")
        self.assertNotIn("azure/one", [c["credential_name"] for c in credentials.list()["credentials"]])

    def test_a_user_from_making_to_end(self):
        users = UsersManagementClient(URL, KEY)
        users.create_user({"user_id": "of-the-client", "user_email": "client@example.com", "user_role": "internal_user", "max_budget": 100.0})
        self.assertEqual(users.get_user(user_id="of-the-client")["user_info"]["max_budget"], 100.0)
        self.assertIn("of-the-client", [u["user_id"] for u in users.list_users()])
        users.delete_user(["of-the-client"])
        self.assertNotIn("of-the-client", [u["user_id"] for u in users.list_users()])

    def test_teams(self):
        team = self.c.http.request("POST", "/team/new", json={"team_alias": "of the client"})
        self.assertIn(team["team_id"], [t["team_id"] for t in self.c.teams.list()])
        self.c.http.request("POST", "/team/delete", json={"team_ids": [team["team_id"]]})

    def test_nobodys_key(self):
        with self.assertRaises(UnauthorizedError):
            Client(base_url=URL, api_key="sk-nobody").models.list()


class Library(unittest.TestCase):
    def ask(self, **more):
        return litellm.completion(model="litellm_proxy/plain-name", api_base=URL, api_key=KEY, messages=say("Hi"), num_retries=0, **more)

    def test_chat(self):
        got = self.ask()
        self.assertTrue(got.choices[0].message.content.startswith(GREETING))
        self.assertEqual(got.usage.completion_tokens, 12)

    def test_stream(self):
        text = "".join(c.choices[0].delta.content or "" for c in self.ask(stream=True))
        self.assertTrue(text.startswith(GREETING), text)

    def test_embedding(self):
        got = litellm.embedding(model="litellm_proxy/openai/text-embedding-3-small", api_base=URL, api_key=KEY, input=["one", "two"])
        self.assertEqual(len(got.data), 2)

    def test_errors(self):
        with self.assertRaises(litellm.AuthenticationError):
            litellm.completion(model="litellm_proxy/plain-name", api_base=URL, api_key="sk-nobody", messages=say("Hi"), num_retries=0)
        with self.assertRaises(litellm.BadRequestError):
            litellm.completion(model="litellm_proxy/no-such-model", api_base=URL, api_key=KEY, messages=say("Hi"), num_retries=0)


if __name__ == "__main__":
    unittest.main()
