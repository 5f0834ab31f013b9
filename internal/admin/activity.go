package admin

import (
	"time"

	"penstock/internal/store"
)

// metrics are the sums of a day, or of a part of it.
type metrics struct {
	Spend           usd   `json:"spend"`
	FlatCost        usd   `json:"flat_cost"`
	Prompt          int64 `json:"prompt_tokens"`
	Completion      int64 `json:"completion_tokens"`
	CacheRead       int64 `json:"cache_read_input_tokens"`
	CacheWrite      int64 `json:"cache_creation_input_tokens"`
	Total           int64 `json:"total_tokens"`
	Successful      int64 `json:"successful_requests"`
	Failed          int64 `json:"failed_requests"`
	Requests        int64 `json:"api_requests"`
	Took            int64 `json:"total_response_time_ms"` // of the calls in timed_requests
	Timed           int64 `json:"timed_requests"`
	CompressedAway  int64 `json:"compression_saved_tokens"`
	CompressedSpend usd   `json:"compression_savings_spend"`
	CachedSpend     usd   `json:"prompt_caching_savings_spend"`
	InjectedSpend   usd   `json:"gateway_injected_caching_savings_spend"`
	RoutedSpend     usd   `json:"autorouter_savings_spend"`

	took time.Duration
}

func (m *metrics) add(f *store.Fact) {
	m.Spend += usd(f.Cost)
	m.Prompt += f.Prompt
	m.Completion += f.Completion
	m.CacheRead += f.CacheRead
	m.CacheWrite += f.CacheWrite
	m.Total += f.Prompt + f.Completion
	m.Successful += f.Requests - f.Failures
	m.Failed += f.Failures
	m.Requests += f.Requests
	m.took += f.Took
	m.Took = m.took.Milliseconds()
	m.Timed += f.Timed
}

// dayActivity is a day and what it is made of.
type dayActivity struct {
	Date      string    `json:"date"`
	Metrics   metrics   `json:"metrics"`
	Breakdown breakdown `json:"breakdown"`
}

type breakdown struct {
	MCP       empty                  `json:"mcp_servers"`
	Models    map[string]*part       `json:"models"`
	Groups    map[string]*part       `json:"model_groups"`
	Providers map[string]*part       `json:"providers"`
	Endpoints map[string]*part       `json:"endpoints"`
	Keys      map[string]*keyPart    `json:"api_keys"`
	Entities  map[string]*entityPart `json:"entities"`
}

// part is what a model, an endpoint or a provider has of a day.
type part struct {
	Metrics  metrics             `json:"metrics"`
	Metadata empty               `json:"metadata"`
	Keys     map[string]*keyPart `json:"api_key_breakdown"`
}

// keyPart is what a key has of it.
type keyPart struct {
	Metrics  metrics     `json:"metrics"`
	Metadata keyMetadata `json:"metadata"`
}

type keyMetadata struct {
	Alias  *string `json:"key_alias"`
	TeamID *string `json:"team_id"`
	UserID *string `json:"user_id"`
	Email  *string `json:"user_email"`
	Exists bool    `json:"key_exists"`
}

// entityPart is what a team, a user or the like has of it.
type entityPart struct {
	Metrics  metrics             `json:"metrics"`
	Metadata entityMetadata      `json:"metadata"`
	Keys     map[string]*keyPart `json:"api_key_breakdown"`
}

type entityMetadata struct {
	Alias     *string `json:"alias"`
	TeamAlias *string `json:"team_alias,omitzero"`
	Email     *string `json:"user_email,omitzero"`
}

// activityTotals are the sums of all days that an answer has.
type activityTotals struct {
	Spend      usd   `json:"total_spend"`
	FlatCost   usd   `json:"total_flat_cost"`
	Prompt     int64 `json:"total_prompt_tokens"`
	Completion int64 `json:"total_completion_tokens"`
	Tokens     int64 `json:"total_tokens"`
	Requests   int64 `json:"total_api_requests"`
	Successful int64 `json:"total_successful_requests"`
	Failed     int64 `json:"total_failed_requests"`
	CacheRead  int64 `json:"total_cache_read_input_tokens"`
	CacheWrite int64 `json:"total_cache_creation_input_tokens"`
	Took       int64 `json:"total_response_time_ms"`
	Timed      int64 `json:"total_timed_requests"`
	Page       int   `json:"page"`
	TotalPages int   `json:"total_pages"`
	HasMore    bool  `json:"has_more"`
	// Of more keys than this the dearest are told apart; the other sums have all.
	KeyLimit int `json:"api_key_limit"`
	Keys     int `json:"total_api_keys"`
	// The same of the entities.
	EntityLimit int `json:"entity_limit"`
	Entities    int `json:"total_entities"`
}

func (t *activityTotals) add(m *metrics) {
	t.Spend += m.Spend
	t.Prompt += m.Prompt
	t.Completion += m.Completion
	t.Tokens += m.Total
	t.Requests += m.Requests
	t.Successful += m.Successful
	t.Failed += m.Failed
	t.CacheRead += m.CacheRead
	t.CacheWrite += m.CacheWrite
	t.Took += m.Took
	t.Timed += m.Timed
}

type activity struct {
	Results  []*dayActivity `json:"results"`
	Metadata activityTotals `json:"metadata"`
}
