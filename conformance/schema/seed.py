"""Makes the objects that the examples of /openapi.json name, so that calls with
them reach what is behind the checks of ids."""

import json
import os
import urllib.error
import urllib.request

OBJECTS = [
    ("/budget/new", {"budget_id": "monthly", "max_budget": 100, "budget_duration": "30d"}),
    ("/organization/new", {"organization_id": "acme", "organization_alias": "Acme"}),
    ("/user/new", {"user_id": "jo", "user_email": "jo@example.com", "auto_create_key": False}),
    ("/team/new", {"team_id": "sales", "team_alias": "Sales", "members_with_roles": [{"role": "user", "user_id": "jo"}]}),
    ("/organization/member_add", {"organization_id": "acme", "member": {"role": "internal_user", "user_id": "jo"}}),
    ("/project/new", {"project_id": "chatbot", "project_alias": "Chatbot", "team_id": "sales"}),
    ("/customer/new", {"user_id": "visitor"}),
    ("/customer/new", {"user_id": "jo"}),
    ("/key/generate", {"key": "sk-example-of-a-key", "key_alias": "billing-job", "user_id": "jo", "team_id": "sales"}),
    ("/credentials", {"credential_name": "openai", "credential_values": {"api_key": "upstream"}, "credential_info": {}}),
    ("/v1/chat/completions", {"model": "gpt-4o", "user": "jo", "messages": [{"role": "user", "content": "Hello"}]}),
]

for path, body in OBJECTS:
    request = urllib.request.Request(
        os.environ["PENSTOCK_URL"] + path,
        data=json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + os.environ["PENSTOCK_KEY"], "Content-Type": "application/json"},
    )
    try:
        urllib.request.urlopen(request, timeout=10).read()
    except urllib.error.HTTPError as e:
        raise SystemExit(f"{path} answers {e.code}: {e.read().decode()}")
