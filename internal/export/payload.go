package export

import (
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
)

// Payload is LiteLLM's StandardLoggingPayload: what every LiteLLM callback
// gets, and what the receivers that people have already read.
type Payload struct {
	ID                  string         `json:"id"`
	TraceID             string         `json:"trace_id"`
	SessionID           string         `json:"session_id"`
	CallID              string         `json:"litellm_call_id"`
	CallType            string         `json:"call_type"`
	Stream              bool           `json:"stream"`
	ResponseCost        jsontext.Value `json:"response_cost"`
	Status              string         `json:"status"`
	Provider            string         `json:"custom_llm_provider"`
	TotalTokens         int64          `json:"total_tokens"`
	PromptTokens        int64          `json:"prompt_tokens"`
	CompletionTokens    int64          `json:"completion_tokens"`
	StartTime           float64        `json:"startTime"`
	EndTime             float64        `json:"endTime"`
	CompletionStartTime float64        `json:"completionStartTime"`
	ResponseTime        float64        `json:"response_time"`
	Model               string         `json:"model"`
	ModelID             string         `json:"model_id"`
	ModelGroup          string         `json:"model_group"`
	APIBase             string         `json:"api_base"`
	Metadata            Metadata       `json:"metadata"`
	CacheHit            bool           `json:"cache_hit"`
	RequestTags         []string       `json:"request_tags"`
	EndUser             string         `json:"end_user"`
	RequesterIP         string         `json:"requester_ip_address"`
	UserAgent           string         `json:"user_agent"`
	Messages            jsontext.Value `json:"messages"`
	Response            jsontext.Value `json:"response"`
	ErrorStr            *string        `json:"error_str"`
	ErrorInformation    *ErrorInfo     `json:"error_information"`
	AttemptedRetries    int            `json:"attempted_retries"`
	AttemptedFallbacks  int            `json:"attempted_fallbacks"`
	Interrupted         bool           `json:"interrupted"`
}

// Metadata is who the call was for.
type Metadata struct {
	KeyHash   string         `json:"user_api_key_hash"`
	KeyAlias  string         `json:"user_api_key_alias"`
	UserID    string         `json:"user_api_key_user_id"`
	TeamID    string         `json:"user_api_key_team_id"`
	TeamAlias string         `json:"user_api_key_team_alias"`
	OrgID     string         `json:"user_api_key_org_id"`
	EndUserID string         `json:"user_api_key_end_user_id"`
	Route     string         `json:"user_api_key_request_route"`
	Requester jsontext.Value `json:"requester_metadata"`
	Usage     Usage          `json:"usage_object"`
}

// Usage is what the call used.
type Usage struct {
	Prompt     int64 `json:"prompt_tokens"`
	Completion int64 `json:"completion_tokens"`
	Total      int64 `json:"total_tokens"`
	CacheRead  int64 `json:"cache_read_input_tokens"`
	CacheWrite int64 `json:"cache_creation_input_tokens"`
	Reasoning  int64 `json:"reasoning_tokens"`
	Estimated  bool  `json:"estimated"`
}

// ErrorInfo is why a call failed.
type ErrorInfo struct {
	Code    int    `json:"error_code"`
	Class   string `json:"error_class"`
	Message string `json:"error_message"`
}

// CallType returns LiteLLM's word for the operation.
func CallType(r *gateway.Record) string {
	switch {
	case r.Call.Op == gateway.Embed:
		return "aembedding"
	case r.Call.Dialect == gateway.Anthropic:
		return "anthropic_messages"
	}
	return "acompletion"
}

// TeamAlias returns the alias of the call's team, "" if it has none.
func TeamAlias(r *gateway.Record) string {
	if t := r.Call.Principal.Team; t != nil {
		return t.Alias
	}
	return ""
}

// NewPayload returns the payload of the record.
func NewPayload(r *gateway.Record) *Payload {
	c := &r.Call
	u := &r.Usage
	seconds := func(ns int64) float64 { return float64(ns) / 1e9 }
	p := &Payload{
		ID: r.ResponseID, TraceID: c.Session, SessionID: c.Session, CallID: c.ID, CallType: CallType(r), Stream: c.Stream,
		ResponseCost: jsontext.Value(r.Cost.String()), Status: "success",
		TotalTokens: u.Total(), PromptTokens: u.Prompt, CompletionTokens: u.Completion,
		StartTime: seconds(c.Start.UnixNano()), EndTime: seconds(r.End.UnixNano()), CompletionStartTime: seconds(r.End.UnixNano()),
		ResponseTime: r.End.Sub(c.Start).Seconds(), Model: r.Upstream, ModelGroup: c.Model, CacheHit: r.CacheHit,
		Metadata: Metadata{
			KeyHash: c.Principal.KeyHash(), KeyAlias: c.Principal.KeyAlias(), UserID: c.Principal.UserID(), TeamID: c.Principal.TeamID(),
			TeamAlias: TeamAlias(r), OrgID: c.Principal.OrganizationID(), EndUserID: c.EndUser, Route: c.Route, Requester: raw(c.Metadata),
			Usage: Usage{u.Prompt, u.Completion, u.Total(), u.CacheRead, u.CacheWrite + u.CacheWrite1h, u.Reasoning, u.Estimated},
		},
		RequestTags: c.Tags, EndUser: c.EndUser, RequesterIP: c.ClientIP, UserAgent: c.UserAgent,
		Messages: raw(r.Input), Response: raw(r.Output), AttemptedRetries: r.Retries, AttemptedFallbacks: r.Fallbacks, Interrupted: r.Interrupted,
	}
	if p.ID == "" {
		p.ID = c.ID
	}
	if p.TraceID == "" {
		p.TraceID, p.SessionID = c.ID, c.ID
	}
	if p.RequestTags == nil {
		p.RequestTags = []string{}
	}
	if !r.FirstByte.IsZero() && c.Stream {
		p.CompletionStartTime = seconds(r.FirstByte.UnixNano())
		p.ResponseTime = r.FirstByte.Sub(c.Start).Seconds()
	}
	if d := r.Deployment; d != nil {
		p.Provider, p.ModelID, p.APIBase = d.Provider, d.ID, d.BaseURL
	}
	if e := r.Err; e != nil {
		p.Status, p.ErrorStr = "failure", &e.Message
		p.ErrorInformation = &ErrorInfo{Code: e.Status, Class: e.Kind.String(), Message: e.Message}
	}
	return p
}

// raw returns b as a JSON value: itself if it is one, else as a string. Content
// is cut at a bound, and a stream's answer is no JSON at all.
func raw(b []byte) jsontext.Value {
	switch {
	case len(b) == 0:
		return jsontext.Value("null")
	case jsontext.Value(b).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)):
		return b
	}
	q, err := jsontext.AppendQuote(nil, b)
	if err != nil { // invalid UTF-8 where the content was cut; the rest is good
		return q
	}
	return q
}
