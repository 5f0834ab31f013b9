package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/price"
	"penstock/internal/relay"
	"penstock/internal/spend"
	"penstock/internal/store"
)

// ownCalls keeps callers who are no admins to calls of their own: those of their
// user, or of the key that they call with.
func (a *API) ownCalls(f *store.CallFilter, p *gateway.Principal) error {
	v := a.directory.View(p)
	switch {
	case v.All:
		return nil
	case f.TeamID != "" && (slices.Contains(v.Administers, f.TeamID) || a.organizes(&v, f.TeamID)):
		return nil
	case f.UserID != "" && f.UserID != v.UserID:
		return notYours("user_id", "You can only see your own calls. Your user_id=%s", v.UserID)
	case v.UserID != "":
		f.UserID = v.UserID
	case v.Key != "" && (f.KeyHash == "" || f.KeyHash == v.Key):
		f.KeyHash = v.Key
	default:
		return notYours("api_key", "You can only see calls of your own key")
	}
	return nil
}

// organizes reports whether the caller administers the organization of a team.
func (a *API) organizes(v *auth.View, team string) bool {
	t := a.directory.Team(team)
	return t != nil && slices.Contains(v.Organizations, t.OrganizationID)
}

// spendUsers shows users, the dearest first; who is no admin, themselves.
func (a *API) spendUsers(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	id := q.text("user_id")
	if q.err != nil {
		return nil, q.err
	}
	ctx := r.Context()
	v := a.directory.View(p)
	if !v.All {
		if v.UserID == "" || id != "" && id != v.UserID {
			return nil, notYours("user_id", "You can only see what you have spent yourself. Your user_id=%s", v.UserID)
		}
		id = v.UserID
	}
	if err := a.flush(ctx); err != nil {
		return nil, err
	}
	if id != "" {
		u, err := a.store.User(ctx, id)
		if err != nil {
			return nil, notFound(err, "user_id", "User %s not found", id)
		}
		return []userRow{a.userRow(u)}, nil
	}
	users, total, err := a.store.ListUsers(ctx, store.UserFilter{}, store.Page{Sort: "spend", Desc: true, Limit: maxListed})
	if err != nil {
		return nil, err
	}
	setTruncated(w.Header(), len(users), total)
	rows := []userRow{}
	for _, u := range users {
		rows = append(rows, a.userRow(u))
	}
	return rows, nil
}

type requestTag struct {
	Tag   string `json:"individual_request_tag"`
	Count int64  `json:"log_count"`
	Total usd    `json:"total_spend"`
}

func (a *API) spendTags(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	sums, err := a.tagSums(r)
	if err != nil {
		return nil, err
	}
	out := []requestTag{}
	for _, s := range sums {
		out = append(out, requestTag{s.Name, s.Requests, usd(s.Cost)})
	}
	return out, nil
}

// callPage is a page of calls. Of more than maxCalls no more are counted.
type callPage struct {
	Data       []callRow `json:"data"`
	Total      int       `json:"total"`
	Page       int       `json:"page"`
	PageSize   int       `json:"page_size"`
	TotalPages int       `json:"total_pages"`
	Capped     bool      `json:"total_is_capped"`
}

// pageCalls shows the calls of a range of time, the newest first.
func (a *API) pageCalls(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	page, size := q.number("page", 1, 1, 1_000_000), q.number("page_size", 50, 1, 1000)
	days := q.dates()
	f := store.CallFilter{
		RequestID: q.text("request_id"), UserID: q.text("user_id"), TeamID: q.text("team_id"), EndUser: q.text("end_user"), Session: q.text("session_id"),
		From: days.from, To: days.to,
	}
	if key := q.text("api_key"); key != "" {
		f.KeyHash = keyHash(key)
	}
	if (days.from.IsZero() || days.to.IsZero()) && f.RequestID == "" && q.err == nil {
		q.err = invalid("start_date", "Start date and end date are required: like start_date=2026-01-30 00:00:00")
	}
	match := q.callMatch()
	order := q.oneOf("sort_by", "startTime", "startTime", "endTime", "spend", "total_tokens")
	desc := q.oneOf("sort_order", "desc", "asc", "desc") == "desc"
	if q.err != nil {
		return nil, q.err
	}
	if alias := q.text("key_alias"); alias != "" {
		k, err := a.store.KeyByAlias(r.Context(), alias)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return a.callPage(r.Context(), nil, page, size)
		case err != nil:
			return nil, err
		case f.KeyHash != "" && f.KeyHash != k.Hash:
			return a.callPage(r.Context(), nil, page, size)
		}
		f.KeyHash = k.Hash
	}
	if err := a.ownCalls(&f, p); err != nil {
		return nil, err
	}
	rows, err := a.callsFor(r.Context(), f)
	if err != nil {
		return nil, err
	}
	capped := len(rows) == maxCalls
	rows = slices.DeleteFunc(rows, func(c spend.Row) bool { return !match(&c) })
	sortCalls(rows, order, desc)
	out, err := a.callPage(r.Context(), rows, page, size)
	if err != nil {
		return nil, err
	}
	out.Capped = capped
	return out, nil
}

// callsFor reads up to maxCalls calls after booking what has ended.
func (a *API) callsFor(ctx context.Context, f store.CallFilter) ([]spend.Row, error) {
	if err := a.flush(ctx); err != nil {
		return nil, err
	}
	f.Limit = maxCalls
	return a.store.Calls(ctx, f)
}

// callMatch reads the filters that the store does not know.
func (q *query) callMatch() func(*spend.Row) bool {
	model, id, group := q.text("model"), q.text("model_id"), q.text("model_group")
	class, message := q.text("error_code"), strings.ToLower(q.text("error_message"))
	status := q.oneOf("status_filter", "", "success", "failure")
	least, most := q.dollars("min_spend"), q.dollars("max_spend")
	checks := q.flag("exclude_internal_health_checks", false)
	search := strings.ToLower(q.text("search"))
	return func(c *spend.Row) bool {
		switch {
		case model != "" && c.Model != model && c.Group != model, id != "" && c.Deployment != id, group != "" && c.Group != group,
			status == "success" && c.Failed, status == "failure" && !c.Failed,
			least != nil && c.Cost < *least, most != nil && c.Cost > *most,
			class != "" && (!c.Failed || c.Kind.String() != class),
			message != "" && !strings.Contains(strings.ToLower(c.Error), message),
			checks && slices.Contains(c.Tags, relay.CheckTag),
			search != "" && !strings.Contains(strings.ToLower(c.CallID+" "+c.ResponseID+" "+c.Session+" "+c.Model+" "+c.UserID+" "+c.EndUser), search):
			return false
		}
		return true
	}
}

// dollars returns an amount of money, nil if it was not sent.
func (q *query) dollars(name string) *gateway.NanoUSD {
	v := q.text(name)
	if v == "" {
		return nil
	}
	n, err := price.ParseUSD(v)
	if err != nil && q.err == nil {
		q.err = malformed(name, "%s: want an amount in US dollars, got %q", name, shorten([]byte(v)))
	}
	return &n
}

func sortCalls(rows []spend.Row, by string, desc bool) {
	of := map[string]func(*spend.Row) int64{
		"startTime":    func(c *spend.Row) int64 { return c.Start.UnixMicro() },
		"endTime":      func(c *spend.Row) int64 { return c.End.UnixMicro() },
		"spend":        func(c *spend.Row) int64 { return int64(c.Cost) },
		"total_tokens": func(c *spend.Row) int64 { return c.Usage.Total() },
	}[by]
	slices.SortStableFunc(rows, func(x, y spend.Row) int {
		switch nx, ny := of(&x), of(&y); {
		case nx == ny:
			return 0
		case nx < ny != desc:
			return -1
		}
		return 1
	})
}

func (a *API) callPage(ctx context.Context, rows []spend.Row, page, size int) (*callPage, error) {
	n := len(rows)
	out := &callPage{Total: n, Page: page, PageSize: size, TotalPages: (n + size - 1) / size}
	var err error
	out.Data, err = a.callRows(ctx, rows[min((page-1)*size, n):min(page*size, n)])
	return out, err
}

// sessionCalls shows the calls of a session.
func (a *API) sessionCalls(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	page, size := q.number("page", 1, 1, 1_000_000), q.number("page_size", 50, 1, 100)
	f := store.CallFilter{Session: q.text("session_id")}
	if f.Session == "" && q.err == nil {
		q.err = malformed("session_id", "session_id is missing: say which session to show")
	}
	if q.err != nil {
		return nil, q.err
	}
	if err := a.ownCalls(&f, p); err != nil {
		return nil, err
	}
	rows, err := a.callsFor(r.Context(), f)
	if err != nil {
		return nil, err
	}
	out, err := a.callPage(r.Context(), rows, page, size)
	if err != nil {
		return nil, err
	}
	out.Capped = len(rows) == maxCalls
	return out, nil
}

// calculateBody is the body of POST /spend/calculate.
type calculateBody struct {
	Model      Opt[string]         `json:"model"`
	Messages   Opt[jsontext.Value] `json:"messages"`
	Completion Opt[object]         `json:"completion_response"`
	unknown
}

// completionUsage is what an answer says it has used.
type completionUsage struct {
	Model string `json:"model"`
	Usage struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
		Details    struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	} `json:"usage"`
}

type calculated struct {
	Cost usd `json:"cost"`
}

// calculateSpend says what an answer costs by the prices that hold here.
func (a *API) calculateSpend(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b calculateBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	if !b.Completion.Has() {
		return nil, invalid("completion_response", "completion_response is missing: pass an answer with its model and usage. What a prompt may come to before it is sent, /v1/explain says")
	}
	var c completionUsage
	if err := json.Unmarshal(b.Completion.Value, &c); err != nil {
		return nil, malformed("completion_response", "completion_response: want an answer with model and usage")
	}
	if c.Usage.Prompt < 0 || c.Usage.Completion < 0 || c.Usage.Details.Cached < 0 || c.Usage.Details.Cached > c.Usage.Prompt {
		return nil, malformed("completion_response.usage", "completion_response.usage: tokens must not be negative, nor more of them cached than there are")
	}
	name := b.Model.Or(c.Model)
	if err := checkText("model", name); err != nil {
		return nil, err
	}
	for _, m := range a.seen(p, false) {
		d := m.Deployment
		if m.Rate != nil && (publicName(d) == name || d.Upstream == name || d.Provider+"/"+d.Upstream == name) {
			u := gateway.Usage{Prompt: c.Usage.Prompt, Completion: c.Usage.Completion, CacheRead: c.Usage.Details.Cached}
			return &calculated{usd(m.Rate.Cost(u))}, nil
		}
	}
	return nil, invalid("model", "no price is known for the model %s", strconv.Quote(name))
}

// reportOf returns the handler of a report by day about one kind of spender.
func (a *API) reportOf(by, param string) handler {
	return func(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
		q := readQuery(r)
		days, id := q.dates(), q.text(param)
		if q.err != nil {
			return nil, q.err
		}
		if days.from.IsZero() || days.to.IsZero() {
			return nil, invalid("start_date", "Please provide start_date and end_date")
		}
		if by == "api_key" && id != "" {
			id = keyHash(id)
		}
		if err := a.mayReport(r.Context(), p, by, id); err != nil {
			return nil, err
		}
		return a.spendReport(r, by, id, days)
	}
}

// mayReport refuses a report about what is not the caller's. Without an id it is
// about everybody.
func (a *API) mayReport(ctx context.Context, p *gateway.Principal, by, id string) error {
	v := a.directory.View(p)
	switch {
	case v.All:
		return nil
	case id == "":
		return notYours("", "Only proxy admins can see everybody's spend: say whose with a parameter of the route")
	case by == "internal_user_id" && id == v.UserID, by == "team" && (slices.Contains(v.Administers, id) || a.organizes(&v, id)),
		by == "organization" && slices.Contains(v.Organizations, id):
		return nil
	case by == "api_key":
		k, err := a.store.Key(ctx, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return a.directory.MayKey(p, auth.SeeKey, k)
	}
	return notYours("", "You can only see spend of your own, and of teams and organizations that you administer")
}
