package api

import (
	"net/http"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/auth"
	"penstock/internal/openapi"
)

// rest is what a body has besides: it goes to the provider as it is.
type rest struct {
	Rest map[string]jsontext.Value `json:",embed"`
}

// steering are the members of a call that are for the gateway.
type steering struct {
	User             string           `json:"user" doc:"The end user, a customer of yours: whose budget and limits hold."`
	Tags             []string         `json:"tags" doc:"Names that spend is summed up by."`
	Metadata         free             `json:"metadata" doc:"Kept with the call. tags, user_id and session_id in it are read."`
	Fallbacks        []jsontext.Value `json:"fallbacks" doc:"Models to ask if this one fails: names, or objects with a model and other members."`
	DisableFallbacks bool             `json:"disable_fallbacks"`
	NumRetries       retries          `json:"num_retries" doc:"How often another deployment is tried."`
	Timeout          seconds          `json:"timeout" doc:"Seconds for the whole call."`
	StreamTimeout    seconds          `json:"stream_timeout" doc:"Seconds until a stream begins."`
	Region           string           `json:"allowed_model_region" doc:"Only deployments there: eu or us."`
	DropParams       bool             `json:"drop_params" doc:"Leave out what the provider does not know instead of refusing it."`
}

// The bodies of calls of models: the members that the gateway reads.
type (
	chatBody struct {
		Model         string           `json:"model" openapi:"required" doc:"A model name of the configuration, an alias, or a name that a pattern of it matches." example:"gpt-4o"`
		Messages      some             `json:"messages" openapi:"required"`
		Stream        bool             `json:"stream"`
		StreamOptions free             `json:"stream_options" doc:"include_usage: true ends the stream with its usage."`
		MaxTokens     positive         `json:"max_tokens"`
		MaxCompletion positive         `json:"max_completion_tokens"`
		N             choices          `json:"n"`
		ServiceTier   string           `json:"service_tier"`
		Tools         []jsontext.Value `json:"tools"`
		steering
		rest
	}
	embedBody struct {
		Model string `json:"model" openapi:"required" example:"gpt-4o"`
		Input texts  `json:"input" openapi:"required" doc:"A text, a list of texts, or lists of tokens."`
		steering
		rest
	}
	messagesBody struct {
		Model     string           `json:"model" openapi:"required" example:"claude-sonnet-4-5"`
		Messages  some             `json:"messages" openapi:"required"`
		MaxTokens positive         `json:"max_tokens" openapi:"required"`
		System    jsontext.Value   `json:"system"`
		Stream    bool             `json:"stream"`
		Tools     []jsontext.Value `json:"tools"`
		steering
		rest
	}
	dryBody struct {
		Model    string           `json:"model" openapi:"required" example:"gpt-4o"`
		Messages []jsontext.Value `json:"messages"`
		Input    jsontext.Value   `json:"input"`
		steering
		rest
	}
)

// The answers that are written without a type, for speed: these are their forms.
type (
	usageForm struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
		Total      int64 `json:"total_tokens"`
		rest
	}
	chatAnswer struct {
		ID      string           `json:"id"`
		Object  string           `json:"object"`
		Created int64            `json:"created"`
		Model   string           `json:"model"`
		Choices []jsontext.Value `json:"choices"`
		Usage   usageForm        `json:"usage,omitzero"`
		rest
	}
	embedAnswer struct {
		Object string           `json:"object"`
		Model  string           `json:"model"`
		Data   []jsontext.Value `json:"data"`
		rest
	}
	messagesAnswer struct {
		ID      string           `json:"id"`
		Type    string           `json:"type"`
		Role    string           `json:"role"`
		Model   string           `json:"model"`
		Content []jsontext.Value `json:"content"`
		Usage   free             `json:"usage"`
		rest
	}
	messagesFailure struct {
		Type  string `json:"type"`
		Error struct {
			Type    string `json:"type"`
			Message string `json:"message"`
			rest
		} `json:"error"`
		rest
	}
	modelForm struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Created int64  `json:"created"`
		OwnedBy string `json:"owned_by"`
		// Metadata is there if include_metadata asks for it.
		Metadata *modelMetadata `json:"metadata,omitzero"`
	}
	modelMetadata struct {
		Fallbacks []string `json:"fallbacks"`
	}
	modelsForm struct {
		Data   []modelForm `json:"data"`
		Object string      `json:"object"`
	}
	readyForm struct {
		Status  string  `json:"status" doc:"healthy or unhealthy"`
		DB      string  `json:"db"`
		Limits  counted `json:"limits"`
		Version string  `json:"penstock_version"`
	}
	readyDetails struct {
		readyForm
		Cache          *struct{} `json:"cache"`
		LiteLLMVersion string    `json:"litellm_version"`
		Deployments    int64     `json:"deployments"`
	}
	serviceForm struct {
		Status  string `json:"status"`
		Message string `json:"message"`
	}
)

// Members of which the gateway asks something.
type (
	texts    struct{} // one, some, or lists of tokens
	free     struct{} // an object of any members
	positive int64    // at least 1
	choices  int64    // 1 to 128
	retries  int64    // 0 to 50
	seconds  float64
	some     []jsontext.Value // a list of at least one
)

// Describe implements openapi.Describer.
func (free) Describe(*openapi.Schemas) *openapi.Schema { return openapi.Object() }

// Describe implements openapi.Describer.
func (texts) Describe(*openapi.Schemas) *openapi.Schema {
	return &openapi.Schema{AnyOf: []*openapi.Schema{openapi.Text(), openapi.Some()}}
}

// Describe implements openapi.Describer.
func (positive) Describe(*openapi.Schemas) *openapi.Schema { return openapi.Integer(1) }

// Describe implements openapi.Describer.
func (choices) Describe(*openapi.Schemas) *openapi.Schema { return openapi.Between(1, 128) }

// Describe implements openapi.Describer.
func (retries) Describe(*openapi.Schemas) *openapi.Schema { return openapi.Between(0, 50) }

// Describe implements openapi.Describer.
func (seconds) Describe(*openapi.Schemas) *openapi.Schema { return openapi.Above(0, 86_400) }

// Describe implements openapi.Describer.
func (some) Describe(*openapi.Schemas) *openapi.Schema { return openapi.Some() }

// Describe implements openapi.Describer.
func (usd) Describe(*openapi.Schemas) *openapi.Schema { return openapi.Number(0) }

// Describe implements openapi.Describer.
func (amount) Describe(*openapi.Schemas) *openapi.Schema {
	out := openapi.Number(0)
	out.Description = "A number of things, or US dollars."
	return out
}

func header(name, says string, s *openapi.Schema) openapi.Param {
	return openapi.Param{Name: name, Header: true, Says: says, Schema: s}
}

func query(name, says string, s *openapi.Schema) openapi.Param {
	return openapi.Param{Name: name, Says: says, Schema: s}
}

// forms says what the endpoints read and write, by their paths: one
// that stands under several prefixes is the same under all of them.
func forms() map[string]openapi.Operation {
	steer := []openapi.Param{
		header("x-litellm-tags", "Tags, separated by commas.", openapi.Text()),
		header("x-litellm-customer-id", "The end user.", openapi.Text()),
		header("x-litellm-trace-id", "The session that the call belongs to.", openapi.Text()),
		header("x-penstock-hedge", "Whether a late stream is asked of another deployment as well.", openapi.Bool()),
		header("x-penstock-explain", "1 for a header that says why the call went where it did.", openapi.Text()),
	}
	t := func(v any) reflect.Type { return reflect.TypeOf(v) }
	unready := []openapi.Answer{{Status: http.StatusServiceUnavailable, Says: "It cannot serve calls.", Type: t(readyForm{})}}
	chat := openapi.Operation{Summary: "Have a model answer a conversation, as OpenAI does.", Tag: "Calls", Params: steer, In: t(chatBody{}), Out: t(chatAnswer{}), Streams: true}
	embed := openapi.Operation{Summary: "Have a model embed texts, as OpenAI does.", Tag: "Calls", Params: steer, In: t(embedBody{}), Out: t(embedAnswer{})}
	models := openapi.Operation{
		Summary: "List the models that the key may use.", Tag: "Calls", Out: t(modelsForm{}),
		Description: "With a header anthropic-version the list is in Anthropic's form.",
		Params: []openapi.Param{
			query("return_wildcard_routes", "Patterns as well.", openapi.Bool()),
			query("team_id", "What keys of this team may use.", openapi.Text()),
			query("include_model_access_groups", "Access groups of models as well.", openapi.Bool()),
			query("only_model_access_groups", "Access groups of models only.", openapi.Bool()),
			query("include_metadata", "With what calls go on to if the model fails.", openapi.Bool()),
			query("fallback_type", "For which failures.", openapi.OneOf("general", "context_window", "content_policy")),
			query("healthy_only", "Without models of which no deployment is well.", openapi.Bool()),
			query("scope", "expand shows admins, and those of teams and organizations, every model.", openapi.OneOf("expand")),
		},
	}
	alive := openapi.Operation{Summary: "Say that the process runs.", Tag: "Health", Out: t("")}
	return map[string]openapi.Operation{
		"POST /chat/completions": chat,
		"POST /embeddings":       embed,
		"POST /v1/messages": {
			Summary: "Have a model answer a conversation, as Anthropic does.", Tag: "Calls", Params: steer,
			In: t(messagesBody{}), Out: t(messagesAnswer{}), Streams: true, Fails: t(messagesFailure{}),
		},
		"GET /models":            models,
		"GET /models/{model...}": {Summary: "Show a model.", Tag: "Calls", Out: t(modelForm{}), Params: []openapi.Param{query("healthy_only", "Not if no deployment of it is well.", openapi.Bool())}},
		"GET /v1/explain/{id}": {
			Summary: "Say why a call went as it did: limits, choices, failures, fallbacks, cost.", Tag: "Explain", Out: t(explained{}),
			Description: "For the key that made it, and for admins. The id is the one in x-litellm-call-id or of the answer.",
		},
		"POST /v1/explain": {
			Summary: "Say what would become of a call, without making it.", Tag: "Explain", In: t(dryBody{}), Out: t(explained{}),
			Params: []openapi.Param{query("route", "The endpoint that the body is for, if the body does not tell.", openapi.Text())},
		},
		"GET /health/liveliness": alive,
		"GET /health/liveness":   alive,
		"GET /health/readiness":  {Summary: "Say whether calls can be served.", Tag: "Health", Out: t(readyForm{}), Also: unready},
		"GET /health/readiness/details": {
			Summary: "Say whether calls can be served, and by what.", Tag: "Health", Out: t(readyDetails{}),
			Also: []openapi.Answer{{Status: http.StatusServiceUnavailable, Says: "It cannot serve calls.", Type: t(readyDetails{})}},
		},
		"GET /health": {
			Summary: "Say how the deployments do. One that is named is called.", Tag: "Health", Out: t(endpoints{}),
			Description: "A check is a call of one token, on the account of the key that asks.",
			Params:      []openapi.Param{query("model", "Check the deployments of this model now.", openapi.Text()), query("model_id", "Check this deployment now.", openapi.Text())},
			Also:        []openapi.Answer{{Status: http.StatusServiceUnavailable, Says: "None that was checked is well.", Type: t(endpoints{})}},
		},
		"GET /health/services": {
			Summary: "Send a test to a logging destination.", Tag: "Health", Out: t(serviceForm{}),
			Params: []openapi.Param{{Name: "service", Required: true, Says: "Its name in the configuration.", Schema: openapi.Text()}},
		},
		"GET /health/latest": {Summary: "Show the last check of each deployment.", Tag: "Health", Out: t(latestChecks{})},
		"GET /health/history": {
			Summary: "Show earlier checks.", Tag: "Health", Out: t(earlierChecks{}),
			Params: []openapi.Param{
				query("model", "", openapi.Text()), query("model_id", "", openapi.Text()), query("status_filter", "", openapi.OneOf("healthy", "unhealthy")),
				query("limit", "", openapi.Between(0, 1<<30)), query("offset", "", openapi.Between(0, 1<<30)),
			},
		},
		"GET /metrics":      {Summary: "Show metrics in Prometheus' text format.", Tag: "Health", Media: "text/plain"},
		"GET /openapi.json": {Summary: "Show this document.", Tag: "About", Out: t(free{})},
		"GET /docs":         {Summary: "Show this document as a page.", Tag: "About", Media: "text/html"},
	}
}

// formOf finds the form of a route, which may stand behind a prefix as well.
func formOf(rt *Route, known map[string]openapi.Operation) (openapi.Operation, bool) {
	for _, prefix := range [...]string{"", "/v1", "/openai/deployments/{model}", "/engines/{model}"} {
		if path, ok := strings.CutPrefix(rt.Pattern, prefix); ok {
			if op, ok := known[rt.Method+" "+path]; ok {
				return op, true
			}
		}
	}
	return openapi.Operation{}, false
}

// Operations describes the API, route by route.
func (a *API) Operations() []openapi.Operation {
	known := forms()
	var out []openapi.Operation
	for _, rt := range a.Routes() {
		op, _ := formOf(&rt, known)
		op.Method, op.Path = rt.Method, rt.Pattern
		op.Public = auth.DoorOf(rt.Method, rt.Pattern).Rule == auth.Public
		out = append(out, op)
	}
	return out
}
