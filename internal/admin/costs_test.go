package admin_test

import (
	"testing"

	"penstock/internal/admin"
	"penstock/internal/gateway"
	"penstock/internal/price"
)

func priced(t *testing.T) func(*admin.Options) {
	t.Helper()
	rate, err := price.Override(nil, map[string]string{"input_cost_per_token": "2.5e-06", "output_cost_per_token": "1e-05"})
	if err != nil {
		t.Fatal(err)
	}
	return func(o *admin.Options) {
		o.Models = func() []admin.Model {
			return []admin.Model{
				{Deployment: &gateway.Deployment{ID: "d1", Group: "gpt", Provider: "openai", Upstream: "gpt-4o"}, Rate: rate},
				{Deployment: &gateway.Deployment{ID: "d2", Group: "free", Provider: "openai", Upstream: "x"}},
			}
		}
	}
}

func TestCostsAreCalculatedBeforehand(t *testing.T) {
	d := open(t, newFake(), priced(t))
	d.post("/spend/calculate", `{"completion_response":{"model":"gpt-4o","usage":{"prompt_tokens":1000,"completion_tokens":100}}}`).ok().is(`{"cost":0.0035}`)
	short := d.post("/spend/calculate", `{"model":"gpt","messages":[{"role":"user","content":"Say hello to everybody in the room."}]}`).ok().at("cost")
	long := d.post("/spend/calculate", `{"model":"gpt","messages":[{"role":"system","content":"You are polite."},{"role":"user","content":"Say hello to everybody in the room, one after the other, and tell them what the weather is like today."}]}`).ok().at("cost")
	if short, err := price.ParseUSD(short); err != nil || short < 5*2500 || short > 25*2500 {
		t.Errorf("a sentence of eight words costs %s, %v, want some ten tokens", short, err)
	} else if long, err := price.ParseUSD(long); err != nil || long <= short {
		t.Errorf("a longer prompt costs %s, %v, a shorter one %s", long, err, short)
	}
	for _, tt := range []struct {
		body          string
		status        int
		typ, field, m string
	}{
		{`{"model":"gpt"}`, 400, "bad_request_error", "messages", "completion_response"},
		{`{"model":"gpt","messages":"hello"}`, 422, "validation_error", "messages", "list"},
		{`{"messages":[]}`, 422, "validation_error", "model", "model is missing"},
		{`{"model":"none","messages":[]}`, 400, "bad_request_error", "model", `"none"`},
		{`{"model":"free","messages":[]}`, 400, "bad_request_error", "model", "no price is known"},
		{`{"completion_response":{"model":"gpt","usage":{"prompt_tokens":-1}}}`, 422, "validation_error", "completion_response.usage", "negative"},
	} {
		d.post("/spend/calculate", tt.body).refused(tt.status, tt.typ, tt.field, tt.m)
	}
}

func TestCostsAreEstimated(t *testing.T) {
	d := open(t, newFake(), priced(t))
	d.post("/cost/estimate", `{"model":"gpt","input_tokens":1000,"output_tokens":500,"num_requests_per_day":100}`).ok().has(
		"model", `"gpt"`, "cost_per_request", "0.0075", "input_cost_per_request", "0.0025", "output_cost_per_request", "0.005", "margin_cost_per_request", "0.0",
		"num_requests_per_day", "100", "daily_cost", "0.75", "daily_input_cost", "0.25", "daily_output_cost", "0.5", "daily_margin_cost", "0.0",
		"num_requests_per_month", "null", "monthly_cost", "null", "input_cost_per_token", "2.5e-06", "output_cost_per_token", "1e-05", "provider", `"openai"`)
	d.post("/cost/estimate", `{"model":"openai/gpt-4o","input_tokens":0,"output_tokens":0,"num_requests_per_month":0}`).ok().has("cost_per_request", "0.0", "monthly_cost", "0.0")
	d.post("/cost/estimate", `{"model":"gpt","output_tokens":1}`).refused(422, "validation_error", "input_tokens", "input_tokens is missing")
	d.post("/cost/estimate", `{"model":"gpt","input_tokens":-1,"output_tokens":1}`).refused(422, "validation_error", "input_tokens", "at least 0")
	d.post("/cost/estimate", `{"model":"gpt","input_tokens":2000000000,"output_tokens":1}`).refused(422, "validation_error", "input_tokens", "at most")
	d.post("/cost/estimate", `{"model":"gpt","input_tokens":1000000000,"output_tokens":1000000000,"num_requests_per_day":1000000000}`).refused(422, "validation_error", "num_requests_per_day", "more than can be counted")
	d.post("/cost/estimate", `{"model":"none","input_tokens":1,"output_tokens":1}`).refused(400, "bad_request_error", "model", "no price is known")
	d.get("/provider/budgets").ok().is(`{"providers":{}}`)
}
