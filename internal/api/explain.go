package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/explain"
	"penstock/internal/gateway"
	"penstock/internal/relay"
	"penstock/internal/spend"
	"penstock/internal/wire"
	"penstock/internal/wire/anthropic"
)

// Ledger finds the row of a call that has ended.
type Ledger interface {
	// FindCall returns the call with that id of its own or of its answer, nil if
	// there is none.
	FindCall(ctx context.Context, id string) (*spend.Row, error)
	// Team returns what is known of a team, nil if there is no such team.
	Team(id string) *gateway.Team
}

// The answer of /v1/explain.
type (
	explained struct {
		CallID     string       `json:"call_id,omitzero"`
		ResponseID string       `json:"response_id,omitzero"`
		DryRun     bool         `json:"dry_run,omitzero"`
		Status     string       `json:"status"` // success, failure, refused; of a dry run: admitted, refused
		Error      *whyError    `json:"error,omitzero"`
		Model      string       `json:"model"`
		Group      string       `json:"model_group"` // after aliases
		Named      string       `json:"named_by"`
		Route      string       `json:"route,omitzero"`
		Provider   string       `json:"custom_llm_provider,omitzero"`
		Upstream   string       `json:"upstream_model,omitzero"`
		ModelID    string       `json:"model_id,omitzero"`
		Start      *time.Time   `json:"started_at,omitzero"`
		Took       float64      `json:"duration_ms,omitzero"`
		First      float64      `json:"first_byte_ms,omitzero"`
		Limits     []whyLimit   `json:"limits"`
		Budget     *whyBudget   `json:"budget,omitzero"`
		Picks      []whyPick    `json:"picks"`
		Hops       []whyHop     `json:"fallbacks"`
		Attempts   []whyAttempt `json:"attempts"`
		Cost       *whyCost     `json:"cost,omitzero"`
		Hedge      *whyCost     `json:"hedge_cost,omitzero"` // of the slower of two attempts, a row of its own
		Estimate   *whyEstimate `json:"estimate,omitzero"`
		LeftOut    int          `json:"left_out,omitzero"`
		Story      []string     `json:"story"`
	}
	whyError struct {
		Kind    string `json:"kind"`
		Status  int    `json:"status"`
		Message string `json:"message"`
	}
	whyLimit struct {
		Scope  string `json:"scope"`
		Kind   string `json:"kind"`
		Model  string `json:"model,omitzero"`
		Amount amount `json:"limit"`
		Left   amount `json:"left"`
	}
	whyBudget struct {
		Reserved usd   `json:"reserved_usd"`
		Capped   int64 `json:"max_tokens_set,omitzero"`
	}
	whyPick struct {
		Group      string       `json:"model_group"`
		Candidates int          `json:"candidates"`
		Looked     int          `json:"looked_at"`
		Removed    int          `json:"kept_out"`
		Removals   []whyRemoval `json:"kept_out_by,omitzero"`
		Level      int          `json:"order,omitzero"`
		Strategy   string       `json:"strategy,omitzero"`
		Sticky     bool         `json:"prompt_cache_affinity,omitzero"`
		Chosen     string       `json:"chosen,omitzero"`
	}
	whyRemoval struct {
		Deployment string `json:"model_id"`
		Filter     string `json:"filter"`
		Have       int64  `json:"have,omitzero"`
		Limit      int64  `json:"limit,omitzero"`
		Says       string `json:"says"`
	}
	whyHop struct {
		From    string `json:"from"`
		To      string `json:"to"`
		Because string `json:"because"`
		Level   int    `json:"order,omitzero"`
	}
	whyAttempt struct {
		ModelID string  `json:"model_id"`
		Group   string  `json:"model_group"`
		OK      bool    `json:"ok"`
		Kind    string  `json:"failure,omitzero"`
		Status  int     `json:"status,omitzero"`
		At      float64 `json:"at_ms"`
		Took    float64 `json:"duration_ms"`
		First   float64 `json:"first_byte_ms,omitzero"`
		Hedged  bool    `json:"hedge,omitzero"`
	}
	whyCost struct {
		Spend      usd    `json:"usd"`
		Priced     bool   `json:"priced"`
		Price      string `json:"price_version,omitzero"`
		Rate       string `json:"rate,omitzero"`
		Prompt     int64  `json:"prompt_tokens"`
		Cached     int64  `json:"cached_tokens"`
		Completion int64  `json:"completion_tokens"`
		Estimated  bool   `json:"estimated,omitzero"`
	}
	whyEstimate struct {
		Priced   bool `json:"priced"`
		Least    usd  `json:"least_usd"`
		Expected usd  `json:"expected_usd"`
		Worst    usd  `json:"worst_usd"`
	}
	usd gateway.NanoUSD
	// amount is a number of things, or dollars.
	amount struct {
		n     int64
		money bool
	}
)

// MarshalJSONTo implements json.MarshalerTo.
func (u usd) MarshalJSONTo(enc *jsontext.Encoder) error {
	return enc.WriteValue(gateway.NanoUSD(u).Append(nil))
}

// MarshalJSONTo implements json.MarshalerTo.
func (a amount) MarshalJSONTo(enc *jsontext.Encoder) error {
	if a.money {
		return usd(a.n).MarshalJSONTo(enc)
	}
	return enc.WriteToken(jsontext.Int(a.n))
}

// fill takes in what a record tells.
func (x *explained) fill(r *explain.Record) {
	x.Group, x.Named, x.LeftOut = valid(r.Why.Asked), r.Why.Naming.String(), r.Lost
	x.Limits, x.Picks, x.Hops, x.Attempts = []whyLimit{}, []whyPick{}, []whyHop{}, []whyAttempt{}
	for _, l := range r.Limits {
		money := l.Kind == "budget"
		x.Limits = append(x.Limits, whyLimit{valid(l.Scope), valid(l.Kind), valid(l.Model), amount{l.Amount, money}, amount{l.Left, money}})
	}
	if r.Reserved != 0 || r.Capped != 0 {
		x.Budget = &whyBudget{usd(r.Reserved), r.Capped}
	}
	for i := range r.Why.Picks {
		p := &r.Why.Picks[i]
		out := whyPick{
			Group: valid(p.Group), Candidates: p.Candidates, Looked: p.Looked, Removed: p.Removed, Level: p.Level, Strategy: valid(p.Strategy),
			Sticky: p.Sticky, Chosen: valid(p.Deployment),
		}
		for j := p.From; j < p.To && j < len(r.Why.Removals); j++ {
			v := &r.Why.Removals[j]
			out.Removals = append(out.Removals, whyRemoval{valid(v.Deployment), v.Filter.String(), v.Have, v.Limit, valid(v.String())})
		}
		x.Picks = append(x.Picks, out)
	}
	for _, h := range r.Why.Hops {
		x.Hops = append(x.Hops, whyHop{valid(h.From), valid(h.To), h.Because.String(), h.Level})
	}
	for i := range r.Attempts {
		a := &r.Attempts[i]
		out := whyAttempt{
			ModelID: valid(a.Deployment), Group: valid(a.Group), OK: a.OK, Status: a.Status, Hedged: a.Hedged,
			At: ms(explain.Started(a)), Took: ms(a.Duration), First: ms(a.FirstByte),
		}
		if !a.OK {
			out.Kind = a.Kind.String()
		}
		x.Attempts = append(x.Attempts, out)
	}
	for _, s := range r.Story(x.Model) {
		x.Story = append(x.Story, valid(s))
	}
}

// valid makes a text out of one that may have been cut between two bytes.
func valid(s string) string { return strings.ToValidUTF8(s, "") }

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// explain says why a call went as it did: to the key that made it, to
// administrators of its team, and to those of the gateway.
func (a *API) explain(q *request) {
	id := q.r.PathValue("id")
	if v, ok := a.Relay.Refused.Get(id); ok && a.mayAsk(q, v.KeyHash, v.TeamID) {
		x := &explained{
			CallID: v.CallID, Status: "refused", Model: v.Model, Route: v.Route, Start: &v.Start,
			Error: &whyError{v.Error.Kind.String(), Status(&v.Error, q.s.BudgetExceededStatus), valid(v.Error.Message)},
		}
		if rec, err := explain.Read(v.Why); err == nil {
			x.fill(rec)
		} else {
			x.fill(&explain.Record{Why: gateway.Why{Asked: v.Model}})
		}
		x.Story = append([]string{"It was not let in: " + x.Error.Message}, x.Story...)
		a.answer(q, http.StatusOK, x)
		return
	}
	row, err := a.Ledger.FindCall(q.r.Context(), id)
	if err != nil {
		a.fail(q, err)
		return
	}
	if row == nil || !a.mayAsk(q, row.KeyHash, row.TeamID) {
		// The same answer for a call of others: it must not tell strangers which
		// calls there are.
		a.fail(q, &gateway.Error{
			Kind: gateway.NotFound, Param: "id",
			Message: "no call '" + clip(id, 100) + "' of this key is known. Ask with the id in x-litellm-call-id once the call has ended; calls that were refused are remembered for a while.",
		})
		return
	}
	x := explainRow(q, row)
	if slices.ContainsFunc(x.Attempts, func(a whyAttempt) bool { return a.Hedged }) {
		slower, err := a.Ledger.FindCall(q.r.Context(), row.CallID+relay.HedgeSuffix)
		if err != nil {
			a.fail(q, err)
			return
		}
		if slower != nil {
			x.Hedge = costOf(slower)
		}
	}
	a.answer(q, http.StatusOK, x)
}

func costOf(row *spend.Row) *whyCost {
	return &whyCost{
		Spend: usd(row.Cost), Priced: row.Priced, Price: row.Price, Rate: row.Rate, Prompt: row.Usage.Prompt, Cached: row.Usage.CacheRead,
		Completion: row.Usage.Completion, Estimated: row.Usage.Estimated,
	}
}

func explainRow(q *request, row *spend.Row) *explained {
	start := row.Start
	x := &explained{
		CallID: row.CallID, ResponseID: row.ResponseID, Status: "success", Model: row.Group, Route: row.Route, Provider: row.Provider,
		Upstream: row.Model, ModelID: row.Deployment, Start: &start,
		Cost: costOf(row),
	}
	if !row.End.IsZero() {
		x.Took = ms(row.End.Sub(row.Start))
	}
	if !row.FirstByte.IsZero() {
		x.First = ms(row.FirstByte.Sub(row.Start))
	}
	if row.Failed {
		e := gateway.Error{Kind: row.Kind, Message: row.Error}
		x.Status, x.Error = "failure", &whyError{row.Kind.String(), Status(&e, q.s.BudgetExceededStatus), row.Error}
	}
	rec, err := explain.Read(row.Why)
	if err != nil {
		rec = &explain.Record{Why: gateway.Why{Asked: row.Group}}
	}
	x.fill(rec)
	if err != nil {
		x.Story = []string{"Nothing was written down of how this call found its way: it was booked by another version, or the process died while it ran."}
	}
	for i := range x.Attempts {
		full(&x.Attempts[i].ModelID, row.Deployment)
	}
	for i := range x.Picks {
		full(&x.Picks[i].Chosen, row.Deployment)
	}
	return x
}

// full replaces the beginning of an id by the id that it is the beginning of.
func full(id *string, of string) {
	if cut, short := strings.CutSuffix(*id, "…"); short && strings.HasPrefix(of, cut) {
		*id = of
	}
}

// mayAsk reports whether q may know about a call of the key and team.
func (a *API) mayAsk(q *request, keyHash, teamID string) bool {
	p := &q.principal
	if q.manages() || p.Master || p.Key != nil && p.Key.Hash == keyHash {
		return true
	}
	// Keys that nobody was named for are all of one user, who is no administrator.
	if teamID == "" || p.UserID() == "" || p.UserID() == gateway.MasterUserID {
		return false
	}
	t := a.Ledger.Team(teamID)
	return t != nil && slices.ContainsFunc(t.Members, func(m gateway.Member) bool { return m.UserID == p.UserID() && m.Role == "admin" })
}

// explainDry says what would become of the call in the body, without making it.
// The body is the one the call would have; ?route= names the endpoint, if the
// body does not tell.
func (a *API) explainDry(q *request) {
	in := new(wire.Object)
	body, err := q.readBody(in)
	if err != nil {
		a.fail(q, err)
		return
	}
	op, check := gateway.Chat, func() error { return need(in, "messages", "/chat/completions") }
	route := q.r.URL.Query().Get("route")
	switch {
	case strings.HasSuffix(route, "/embeddings"), route == "" && in.Has("input") && !in.Has("messages"):
		op, check = gateway.Embed, func() error { return need(in, "input", "/embeddings") }
		route = cmp.Or(route, "/v1/embeddings")
	case strings.HasSuffix(route, "/messages"), route == "" && q.r.Header.Get("Anthropic-Version") != "":
		q.dialect = gateway.Anthropic
		check = func() error { _, err := anthropic.Inspect(in); return err }
		route = cmp.Or(route, "/v1/messages")
	case route == "", strings.HasSuffix(route, "/chat/completions"):
		route = cmp.Or(route, "/v1/chat/completions")
	default:
		a.fail(q, gateway.Invalidf("route", "'route' must be /v1/chat/completions, /v1/embeddings or /v1/messages"))
		return
	}
	c, err := q.call(op, in, body)
	if err == nil {
		err = check()
	}
	q.dialect = gateway.OpenAI
	if err != nil {
		a.fail(q, err)
		return
	}
	c.Route = route
	p := a.Relay.Plan(c, in)
	x := &explained{DryRun: true, Status: "admitted", Model: c.Model, Route: route, Estimate: &whyEstimate{p.Priced, usd(p.Least), usd(p.Expected), usd(p.Worst)}}
	x.fill(&p.Record)
	if p.Refused != nil {
		x.Status, x.Error = "refused", &whyError{p.Refused.Kind.String(), Status(p.Refused, q.s.BudgetExceededStatus), p.Refused.Message}
		x.Story = append([]string{"It would not be answered: " + p.Refused.Message}, x.Story...)
	}
	a.answer(q, http.StatusOK, x)
}

// route adds x-penstock-route: the groups and deployments that were asked, in
// order, with how each failed: "gpt-4o: a=upstream-timeout, b; claude: c".
func (d *heading) route(head *relay.Head) {
	group, some := "", false
	head.Each(func(a *gateway.Attempt) {
		switch {
		case !some:
			d.buf = append(append(d.buf, clean(a.Group)...), ": "...)
		case a.Group != group:
			d.buf = append(append(append(d.buf, "; "...), clean(a.Group)...), ": "...)
		default:
			d.buf = append(d.buf, ", "...)
		}
		group, some = a.Group, true
		d.buf = append(d.buf, clean(a.Deployment)...)
		if !a.OK {
			d.buf = append(append(d.buf, '='), strings.ReplaceAll(a.Kind.String(), " ", "-")...)
		}
		if a.Hedged {
			d.buf = append(d.buf, "(hedge)"...)
		}
	})
	if some {
		d.end("X-Penstock-Route")
	}
}

// why adds x-penstock-explain, if the client asked for it.
func (d *heading) why(q *request, head *relay.Head) {
	if v := q.r.Header.Get("X-Penstock-Explain"); v == "" || v == "0" || v == "false" {
		return
	}
	rec, err := explain.Read(head.Why())
	if err != nil {
		return
	}
	text := strings.ReplaceAll(strings.Join(rec.Story(rec.Why.Asked), " "), "…", "...")
	text = strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, text)
	d.text("X-Penstock-Explain", clip(text, 3000))
}
