package admin

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

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

// callPage is a page of calls. Of more than maxCalls no more are counted, unless
// the page is behind them.
type callPage struct {
	Data       []callRow `json:"data"`
	Total      int       `json:"total"`
	Page       int       `json:"page"`
	PageSize   int       `json:"page_size"`
	TotalPages int       `json:"total_pages"`
	Capped     bool      `json:"total_is_capped"` // there are more than total
	// Next is what to pass as after for the page behind this one, at a cost that
	// does not grow with the pages before. It is null at the end, and for calls that
	// are not the newest first.
	Next *string `json:"next"`
}

// callCursor is a place in the list of calls, as clients see it.
func callCursor(c *spend.Row) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(c.Start.UnixMicro(), 10) + " " + c.CallID))
}

// cursor reads what callCursor has written.
func (q *query) cursor(name string) (c store.Cursor) {
	v := q.long(name)
	if v == "" {
		return c
	}
	b, err := base64.RawURLEncoding.DecodeString(v)
	at, id, ok := strings.Cut(string(b), " ")
	us, bad := strconv.ParseInt(at, 10, 64)
	if (err != nil || bad != nil || !ok || id == "") && q.err == nil {
		q.err = invalid(name, "%s: want what next was in the page before", name)
	}
	return store.Cursor{Start: time.UnixMicro(us).UTC(), CallID: id}
}

// pageCalls shows the calls of a range of time, the newest first.
func (a *API) pageCalls(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	page, size := q.number("page", 1, 1, 1_000_000), q.number("page_size", 50, 1, 1000)
	days := q.dates()
	f := q.callFilter()
	f.From, f.To = days.from, days.to
	if (days.from.IsZero() || days.to.IsZero()) && f.RequestID == "" && q.err == nil {
		q.err = invalid("start_date", "Start date and end date are required: like start_date=2026-01-30 00:00:00")
	}
	o := store.CallOrder{By: q.oneOf("sort_by", "startTime", "startTime", "endTime", "spend", "total_tokens"), Asc: q.oneOf("sort_order", "desc", "asc", "desc") == "asc"}
	if f.Before = q.cursor("after"); f.Before != (store.Cursor{}) && (o.By != "startTime" || o.Asc) && q.err == nil {
		q.err = invalid("after", "after goes with the newest calls first only: leave sort_by and sort_order out")
	}
	if q.err != nil {
		return nil, q.err
	}
	if alias := q.text("key_alias"); alias != "" {
		k, err := a.store.KeyByAlias(r.Context(), alias)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return &callPage{Data: []callRow{}, Page: page, PageSize: size}, nil
		case err != nil:
			return nil, err
		case f.KeyHash != "" && f.KeyHash != k.Hash:
			return &callPage{Data: []callRow{}, Page: page, PageSize: size}, nil
		}
		f.KeyHash = k.Hash
	}
	return a.callPage(r.Context(), f, o, p, page, size)
}

// callFilter reads what a list of calls can be narrowed by.
func (q *query) callFilter() store.CallFilter {
	f := store.CallFilter{
		RequestID: q.text("request_id"), UserID: q.text("user_id"), TeamID: q.text("team_id"), EndUser: q.text("end_user"), Session: q.text("session_id"),
		Model: q.text("model"), Deployment: q.text("model_id"), Group: q.text("model_group"), Error: q.text("error_message"),
		MinCost: q.dollars("min_spend"), MaxCost: q.dollars("max_spend"), Search: q.text("search"),
	}
	if key := q.text("api_key"); key != "" {
		f.KeyHash = keyHash(key)
	}
	switch q.oneOf("status_filter", "", "success", "failure") {
	case "success":
		f.Failed = new(false)
	case "failure":
		f.Failed = new(true)
	}
	if class := q.text("error_code"); class != "" {
		f.Kinds = []gateway.Kind{}
		for k := gateway.Internal; k <= gateway.Canceled; k++ {
			if k.String() == class {
				f.Kinds = append(f.Kinds, k)
			}
		}
	}
	if q.flag("exclude_internal_health_checks", false) {
		f.WithoutTag = relay.CheckTag
	}
	return f
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

// callPage reads a page of the calls that the caller may see.
func (a *API) callPage(ctx context.Context, f store.CallFilter, o store.CallOrder, p *gateway.Principal, page, size int) (*callPage, error) {
	if err := a.ownCalls(&f, p); err != nil {
		return nil, err
	}
	if err := a.flush(ctx); err != nil {
		return nil, err
	}
	f.Limit, o.Count = size, maxCalls
	if f.Before == (store.Cursor{}) {
		o.Skip = (page - 1) * size
	}
	got, err := a.store.PageCalls(ctx, f, o)
	if err != nil {
		return nil, err
	}
	out := &callPage{Total: got.Total, Page: page, PageSize: size, TotalPages: (got.Total + size - 1) / size, Capped: got.More}
	if n := len(got.Rows); n == size && !o.Asc && (o.By == "" || o.By == "startTime") {
		out.Next = text(callCursor(&got.Rows[n-1]))
	}
	out.Data, err = a.callRows(ctx, got.Rows)
	return out, err
}

// sessionCalls shows the calls of a session.
func (a *API) sessionCalls(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	page, size := q.number("page", 1, 1, 1_000_000), q.number("page_size", 50, 1, 100)
	f := store.CallFilter{Session: q.text("session_id"), Before: q.cursor("after")}
	if f.Session == "" && q.err == nil {
		q.err = malformed("session_id", "session_id is missing: say which session to show")
	}
	if q.err != nil {
		return nil, q.err
	}
	return a.callPage(r.Context(), f, store.CallOrder{}, p, page, size)
}

// callDetail is what is kept of a call's texts. The ledger keeps none: answers and
// questions are in no row of it.
type callDetail struct {
	Messages empty `json:"messages"`
	Response empty `json:"response"`
	Request  empty `json:"proxy_server_request"`
}

// callTexts shows what is kept of the texts of a call.
func (a *API) callTexts(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	id := r.PathValue("request_id")
	from, _ := q.moment("start_date")
	if q.err == nil {
		q.err = checkText("request_id", id)
	}
	if q.err != nil {
		return nil, q.err
	}
	if err := a.flush(r.Context()); err != nil {
		return nil, err
	}
	rows, err := a.store.Calls(r.Context(), store.CallFilter{RequestID: id, From: from, Limit: 1})
	if err != nil {
		return nil, err
	}
	none := &gateway.Error{Kind: gateway.NotFound, Param: "request_id", Message: "No call has the id " + strconv.Quote(id)}
	if len(rows) == 0 {
		return nil, none
	}
	// Who may not see it learns no more than of one that is not there.
	own := store.CallFilter{TeamID: rows[0].TeamID}
	if a.ownCalls(&own, p) != nil || own.UserID != "" && own.UserID != rows[0].UserID || own.KeyHash != "" && own.KeyHash != rows[0].KeyHash {
		return nil, none
	}
	return &callDetail{}, nil
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
