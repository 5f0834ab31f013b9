package admin

import (
	"context"
	"errors"
	"strings"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/spend"
	"penstock/internal/store"
)

// masterKeyAlias stands for the master key in reports.
const masterKeyAlias = "litellm_proxy_master_key"

// callRow is a call as LiteLLM's table of spend logs has it.
type callRow struct {
	RequestID           string       `json:"request_id"`
	CallID              string       `json:"litellm_call_id"`
	CallType            string       `json:"call_type"`
	APIKey              string       `json:"api_key"`
	Spend               usd          `json:"spend"`
	TotalTokens         int64        `json:"total_tokens"`
	PromptTokens        int64        `json:"prompt_tokens"`
	CompletionTokens    int64        `json:"completion_tokens"`
	StartTime           *time.Time   `json:"startTime"`
	EndTime             *time.Time   `json:"endTime"`
	DurationMS          int64        `json:"request_duration_ms"`
	CompletionStartTime *time.Time   `json:"completionStartTime"`
	Model               string       `json:"model"`
	ModelID             string       `json:"model_id"`
	ModelGroup          string       `json:"model_group"`
	Provider            string       `json:"custom_llm_provider"`
	APIBase             string       `json:"api_base"`
	User                string       `json:"user"`
	Metadata            callMetadata `json:"metadata"`
	CacheHit            string       `json:"cache_hit"`
	CacheKey            string       `json:"cache_key"`
	RequestTags         []string     `json:"request_tags"`
	TeamID              *string      `json:"team_id"`
	OrganizationID      *string      `json:"organization_id"`
	EndUser             string       `json:"end_user"`
	RequesterIP         *string      `json:"requester_ip_address"`
	SessionID           string       `json:"session_id"`
	Status              string       `json:"status"`
	Messages            empty        `json:"messages"`
	Response            empty        `json:"response"`
	ProxyServerRequest  empty        `json:"proxy_server_request"`
}

type callMetadata struct {
	Key          string     `json:"user_api_key"`
	KeyAlias     *string    `json:"user_api_key_alias"`
	TeamID       *string    `json:"user_api_key_team_id"`
	OrgID        *string    `json:"user_api_key_org_id"`
	UserID       *string    `json:"user_api_key_user_id"`
	RequesterIP  *string    `json:"requester_ip_address"`
	CallID       string     `json:"litellm_call_id"`
	Status       string     `json:"status"`
	Error        *callError `json:"error_information"`
	Usage        callUsage  `json:"usage_object"`
	Retries      int        `json:"attempted_retries"`
	Fallbacks    int        `json:"attempted_fallbacks"`
	Priced       bool       `json:"priced"`
	PriceVersion *string    `json:"price_version"`
	Adjusted     *usd       `json:"spend_adjusted,omitzero"` // part of spend that was added after the call
	Interrupted  bool       `json:"interrupted"`
}

type callError struct {
	Class    string `json:"error_class"`
	Message  string `json:"error_message"`
	Provider string `json:"llm_provider"`
}

type callUsage struct {
	Prompt        int64 `json:"prompt_tokens"`
	Completion    int64 `json:"completion_tokens"`
	Total         int64 `json:"total_tokens"`
	PromptDetails struct {
		Cached        int64 `json:"cached_tokens"`
		CacheCreation int64 `json:"cache_creation_tokens"`
		Audio         int64 `json:"audio_tokens"`
		Image         int64 `json:"image_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionDetails struct {
		Reasoning int64 `json:"reasoning_tokens"`
		Audio     int64 `json:"audio_tokens"`
		Image     int64 `json:"image_tokens"`
	} `json:"completion_tokens_details"`
	Estimated bool `json:"estimated"`
}

// callRows shows ledger rows. The aliases are those that keys have now: the
// ledger knows a key by its hash.
func (a *API) callRows(ctx context.Context, rows []spend.Row) ([]callRow, error) {
	const most = 200 // look-ups; later keys show without an alias
	aliases := map[string]string{"": masterKeyAlias}
	out := make([]callRow, len(rows))
	for i := range rows {
		r := &rows[i]
		alias, seen := aliases[r.KeyHash]
		if !seen && len(aliases) < most {
			k, err := a.store.Key(ctx, r.KeyHash)
			switch {
			case err == nil:
				alias = k.Alias
			case !errors.Is(err, store.ErrNotFound): // deleted meanwhile
				return nil, err
			}
			aliases[r.KeyHash] = alias
		}
		out[i] = callRowOf(r, alias)
	}
	return out, nil
}

func callRowOf(r *spend.Row, alias string) callRow {
	row := callRow{
		RequestID: r.ResponseID, CallID: r.CallID, CallType: callType(r), APIKey: r.KeyHash, Spend: usd(r.Cost + r.Adjusted),
		TotalTokens: r.Usage.Total(), PromptTokens: r.Usage.Prompt, CompletionTokens: r.Usage.Completion,
		StartTime: stamp(r.Start), EndTime: stamp(r.End), DurationMS: r.End.Sub(r.Start).Milliseconds(),
		CompletionStartTime: stamp(r.FirstByte),
		Model:               r.Model, ModelID: r.Deployment, ModelGroup: r.Group, Provider: r.Provider, User: r.UserID,
		CacheHit: "False", CacheKey: "Cache OFF", RequestTags: list(r.Tags),
		TeamID: text(r.TeamID), OrganizationID: text(r.OrgID), EndUser: r.EndUser, RequesterIP: text(r.ClientIP),
		SessionID: r.Session, Status: "success",
	}
	if row.RequestID == "" {
		row.RequestID = r.CallID
	}
	if row.APIKey == "" {
		row.APIKey = masterKeyAlias
	}
	if row.Model == "" {
		row.Model = r.Group // no vendor was reached
	}
	if row.SessionID == "" {
		row.SessionID = r.CallID // a session of its own
	}
	if row.EndTime == nil {
		row.DurationMS = 0
	}
	m := callMetadata{
		Key: row.APIKey, KeyAlias: text(alias), TeamID: row.TeamID, OrgID: row.OrganizationID, UserID: text(r.UserID),
		RequesterIP: row.RequesterIP, CallID: r.CallID, Retries: r.Retries, Fallbacks: r.Fallbacks,
		Priced: r.Priced, PriceVersion: text(r.Price), Interrupted: r.Interrupted,
	}
	if r.Adjusted != 0 {
		adjusted := usd(r.Adjusted)
		m.Adjusted = &adjusted
	}
	if r.Failed {
		row.Status = "failure"
		m.Error = &callError{Class: r.Kind.String(), Message: r.Error, Provider: r.Provider}
	}
	m.Status = row.Status
	m.Usage = callUsage{Prompt: r.Usage.Prompt, Completion: r.Usage.Completion, Total: r.Usage.Total(), Estimated: r.Usage.Estimated}
	m.Usage.PromptDetails.Cached = r.Usage.CacheRead
	m.Usage.PromptDetails.CacheCreation = r.Usage.CacheWrite + r.Usage.CacheWrite1h
	m.Usage.PromptDetails.Audio, m.Usage.PromptDetails.Image = r.Usage.AudioIn, r.Usage.ImageIn
	m.Usage.CompletionDetails.Reasoning = r.Usage.Reasoning
	m.Usage.CompletionDetails.Audio, m.Usage.CompletionDetails.Image = r.Usage.AudioOut, r.Usage.ImageOut
	row.Metadata = m
	return row
}

// callType names the operation in LiteLLM's words.
func callType(r *spend.Row) string {
	switch {
	case r.Operation == gateway.Embed:
		return "aembedding"
	case strings.HasSuffix(r.Route, "/messages"):
		return "anthropic_messages"
	case strings.HasSuffix(r.Route, "/responses"):
		return "aresponses"
	}
	return "acompletion"
}
