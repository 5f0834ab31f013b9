package providertest

import (
	"strconv"
	"strings"
	"testing"

	"penstock/internal/gateway"
	"penstock/internal/provider"
)

const testKey = "sk-test-0123456789abcdef"

// target returns the deployment and the call's settings that the deployment
// part describes, one "name: value" per line:
//
//	upstream: gpt-5           the vendor's model name ("upstream-model" if not set)
//	base_url: http://host/v1  ("" if not set: the vendor's own)
//	api_key:                  empty for a vendor without keys
//	api_version: 2024-10-21
//	organization: org-1
//	header X-Team: blue
//	default temperature: 0.5  a request parameter for silent clients
//	drop: seed                additional_drop_params, may be repeated
//	allow: seed               allowed_openai_params, may be repeated
//	drop_params: true
//	max_tokens: 100           the cap that a budget affords
func (x *exchange) target(t *testing.T, p provider.Provider) (*gateway.Deployment, *provider.Call) {
	t.Helper()
	d := &gateway.Deployment{ID: "d1", Group: "m", Provider: p.Name(), Upstream: "upstream-model", APIKey: testKey}
	c := &provider.Call{Call: &gateway.Call{ID: "call-1", Op: gateway.Chat, Dialect: gateway.OpenAI, Route: "/v1/chat/completions"}}
	for line := range strings.Lines(x.deployment) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		field, value, ok := strings.Cut(line, ":")
		if !ok {
			t.Fatalf("deployment part: want name: value, got %q", line)
		}
		value = strings.TrimSpace(value)
		field, name, _ := strings.Cut(field, " ")
		switch field {
		case "upstream":
			d.Upstream = value
		case "base_url":
			d.BaseURL = value
		case "api_key":
			d.APIKey = gateway.Secret(value)
		case "api_version":
			d.APIVersion = value
		case "organization":
			d.Organization = value
		case "header":
			if d.Headers == nil {
				d.Headers = map[string]string{}
			}
			d.Headers[name] = value
		case "default":
			d.Defaults = append(d.Defaults, gateway.Param{Name: name, Value: []byte(value)})
		case "drop":
			d.DropAlways = append(d.DropAlways, value)
		case "allow":
			d.AllowParams = append(d.AllowParams, value)
		case "drop_params":
			c.DropParams = value == "true"
		case "max_tokens":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				t.Fatalf("deployment part: max_tokens: %v", err)
			}
			c.MaxTokens = n
		default:
			t.Fatalf("deployment part: unknown field %q", field)
		}
	}
	c.Upstream = d.Upstream
	return d, c
}
