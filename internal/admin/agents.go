package admin

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// How far back these reports go, as LiteLLM's do.
const (
	activeDays   = 7
	activeWeeks  = 7
	activeMonths = 7 // of 30 days, unless more are asked for
	distinctDays = 90
	distinctTags = 250
	userDays     = 30
)

// activeUsers is how many users had calls with a tag.
type activeUsers struct {
	Results []tagUsers `json:"results"`
}

type tagUsers struct {
	Tag   string  `json:"tag"`
	Users int64   `json:"active_users"`
	Date  string  `json:"date"` // "2026-01-31", "Week 7 (Jan 25)" or "Jan 2026"
	Start *string `json:"period_start"`
	End   *string `json:"period_end"`
}

// tagUseFilter reads which tags a report is about, and keeps it to calls of the
// caller's own unless he may see all.
func (a *API) tagUseFilter(q *query, p *gateway.Principal) store.TagUseFilter {
	f := store.TagUseFilter{Provider: q.text("custom_llm_provider")}
	// Names of programs have commas, so several are several parameters.
	for _, tag := range append(q.values["tag_filters"], q.values["tag_filters[]"]...) {
		if err := checkText("tag_filters", tag); err != nil && q.err == nil {
			q.err = err
		}
		f.Tags = append(f.Tags, tag)
	}
	if len(f.Tags) > maxListed && q.err == nil {
		q.err = invalid("tag_filters", "tag_filters: %d are too many, at most %d can be asked for at once", len(f.Tags), maxListed)
	}
	if f.Part = q.text("tag_filter"); f.Tags != nil {
		f.Part = ""
	}
	if v := a.directory.View(p); !v.All {
		switch f.UserID = v.UserID; {
		case v.UserID != "":
		case v.Key != "":
			f.Keys = []string{v.Key}
		default:
			f.Keys = []string{} // nothing is his
		}
	}
	return f
}

// tagUses adds up tags after booking what has ended.
func (a *API) tagUses(r *http.Request, f store.TagUseFilter, byDay bool) ([]store.TagUse, error) {
	if err := a.flush(r.Context()); err != nil {
		return nil, err
	}
	return a.store.TagUses(r.Context(), f, byDay)
}

// lastDays has f be about some days of UTC, today being the last.
func (a *API) lastDays(f *store.TagUseFilter, days int) {
	f.To = a.now().UTC().Truncate(24 * time.Hour)
	f.From = f.To.AddDate(0, 0, 1-days)
}

// tagDays reads the days of a report; without any they are the last week.
func (a *API) tagDays(q *query, f *store.TagUseFilter) {
	days := q.dates()
	a.lastDays(f, activeDays)
	if !days.to.IsZero() {
		f.To = days.to.Add(-1)
		f.From = f.To.AddDate(0, 0, 1-activeDays)
	}
	if !days.from.IsZero() {
		f.From = days.from
	}
	switch {
	case q.err != nil:
	case f.To.Before(f.From):
		q.err = invalid("start_date", "start_date must not be after today")
	case f.To.Sub(f.From) > maxMetricDays*24*time.Hour:
		q.err = invalid("start_date", "start_date: a report has at most %d days, ask for less", maxMetricDays)
	}
}

// dailyUsers shows by tag how many users had calls on each day, the newest first.
func (a *API) dailyUsers(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	f := a.tagUseFilter(q, p)
	if a.tagDays(q, &f); q.err != nil {
		return nil, q.err
	}
	list, err := a.tagUses(r, f, true)
	if err != nil {
		return nil, err
	}
	out := &activeUsers{[]tagUsers{}}
	for _, u := range list {
		if u.Users > 0 {
			out.Results = append(out.Results, tagUsers{Tag: u.Tag, Users: u.Users, Date: u.Day})
		}
	}
	return out, nil
}

// weeklyUsers shows the same by weeks, the last of which ends today.
func (a *API) weeklyUsers(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	return a.usersByPeriod(r, p, readQuery(r), activeWeeks, 7, func(n int, from time.Time) string {
		return "Week " + strconv.Itoa(n) + " (" + from.Format("Jan 02") + ")"
	})
}

// monthlyUsers shows the same by months of 30 days.
func (a *API) monthlyUsers(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	return a.usersByPeriod(r, p, q, q.number("months", activeMonths, 1, 12), 30, func(_ int, from time.Time) string {
		return from.Format("Jan 2006")
	})
}

// usersByPeriod counts users of n periods of some days, the oldest first.
func (a *API) usersByPeriod(r *http.Request, p *gateway.Principal, q *query, n, days int, name func(n int, from time.Time) string) (any, error) {
	f := a.tagUseFilter(q, p)
	if q.err != nil {
		return nil, q.err
	}
	a.lastDays(&f, days)
	last, out := f.To, &activeUsers{[]tagUsers{}}
	for i := 1; i <= n; i++ {
		f.To = last.AddDate(0, 0, days*(i-n))
		f.From = f.To.AddDate(0, 0, 1-days)
		list, err := a.tagUses(r, f, false)
		if err != nil {
			return nil, err
		}
		start, end := f.From.Format(time.DateOnly), f.To.Format(time.DateOnly)
		for _, u := range list {
			if u.Users > 0 {
				out.Results = append(out.Results, tagUsers{u.Tag, u.Users, name(i, f.From), &start, &end})
			}
		}
	}
	return out, nil
}

// distinctUserAgents are the tags of the last 90 days, those with the most calls
// first.
type distinctUserAgents struct {
	Results []tagOnly `json:"results"`
}

type tagOnly struct {
	Tag string `json:"tag"`
}

// distinctTagNames lists programs, and tags that are no label with a value.
func (a *API) distinctTagNames(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	f := a.tagUseFilter(q, p)
	if q.err != nil {
		return nil, q.err
	}
	a.lastDays(&f, distinctDays)
	list, err := a.tagUses(r, f, false)
	if err != nil {
		return nil, err
	}
	out := &distinctUserAgents{[]tagOnly{}}
	for _, u := range list {
		if len(out.Results) < distinctTags && (strings.HasPrefix(u.Tag, strings.TrimSpace(store.AgentTag)) || !strings.Contains(u.Tag, ":")) {
			out.Results = append(out.Results, tagOnly{u.Tag})
		}
	}
	return out, nil
}

// tagSummaries is what calls with each tag have used.
type tagSummaries struct {
	Results []tagSummary `json:"results"`
}

type tagSummary struct {
	Tag        string `json:"tag"`
	Users      int64  `json:"unique_users"`
	Requests   int64  `json:"total_requests"`
	Successful int64  `json:"successful_requests"`
	Failed     int64  `json:"failed_requests"`
	Tokens     int64  `json:"total_tokens"`
	Spend      usd    `json:"total_spend"`
}

func (a *API) tagSummary(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	f := a.tagUseFilter(q, p)
	for _, name := range []string{"start_date", "end_date"} {
		if q.text(name) == "" && q.err == nil {
			q.err = malformed(name, "%s is missing: pass a day like 2026-01-31", name)
		}
	}
	if a.tagDays(q, &f); q.err != nil {
		return nil, q.err
	}
	list, err := a.tagUses(r, f, false)
	if err != nil {
		return nil, err
	}
	out := &tagSummaries{[]tagSummary{}}
	for _, u := range list {
		out.Results = append(out.Results, tagSummary{u.Tag, u.Users, u.Requests, u.Requests - u.Failures, u.Failures, u.Prompt + u.Completion, usd(u.Cost)})
	}
	return out, nil
}

// agentUserPage are users by what they have used with programs.
type agentUserPage struct {
	Results []agentUser `json:"results"`
	Total   int         `json:"total_count"`
	Page    int         `json:"page"`
	Size    int         `json:"page_size"`
	Pages   int         `json:"total_pages"`
}

type agentUser struct {
	ID         string  `json:"user_id"`
	Email      *string `json:"user_email"`
	Agent      string  `json:"user_agent"` // the tag of what he used most
	Successful int64   `json:"successful_requests"`
	Failed     int64   `json:"failed_requests"`
	Requests   int64   `json:"total_requests"`
	Tokens     int64   `json:"total_tokens"`
	Spend      usd     `json:"spend"`
}

// agentUsers shows what users have used in the last 30 days by programs. Each call
// counts once.
func (a *API) agentUsers(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	f := a.tagUseFilter(q, p)
	out := &agentUserPage{Results: []agentUser{}, Page: q.number("page", 1, 1, 1_000_000), Size: q.number("page_size", 50, 1, 1000)}
	if q.err != nil {
		return nil, q.err
	}
	if err := a.flush(r.Context()); err != nil {
		return nil, err
	}
	a.lastDays(&f, userDays)
	list, total, err := a.store.AgentUsers(r.Context(), f, out.Size, (out.Page-1)*out.Size)
	if err != nil {
		return nil, err
	}
	out.Total, out.Pages = total, (total+out.Size-1)/out.Size
	for _, u := range list {
		row := agentUser{
			ID: u.UserID, Agent: store.AgentTag + u.Agent, Successful: u.Requests - u.Failures, Failed: u.Failures, Requests: u.Requests,
			Tokens: u.Prompt + u.Completion, Spend: usd(u.Cost),
		}
		if about := a.directory.User(u.UserID); about != nil {
			row.Email = text(about.Email)
		}
		out.Results = append(out.Results, row)
	}
	return out, nil
}
