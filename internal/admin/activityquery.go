package admin

import (
	"slices"
	"strings"
	"time"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// nouns are the kinds of activity reports, and the parameters that say whom one
// is about.
var nouns = map[string]struct{ scope, ids, exclude string }{
	"user":         {store.User, "user_id", ""},
	"team":         {store.Team, "team_ids", "exclude_team_ids"},
	"organization": {store.Organization, "organization_ids", "exclude_organization_ids"},
	"tag":          {store.Tag, "tags", ""},
	"customer":     {store.EndUser, "end_user_ids", "exclude_end_user_ids"},
	"end_user":     {store.EndUser, "end_user_ids", "exclude_end_user_ids"},
	"gateway":      {store.Global, "", ""},
}

// asked is what an activity report is to be about.
type asked struct {
	scope   string
	entity  store.Facet // what entities are
	ids     []string    // nil: all of the scope
	exclude []string
	user    string // only calls of this user, "" for all
	keys    []string
	days    span
	model   string
}

// dayQuery reads what all activity reports are asked by.
func (q *query) dayQuery(noun string, now time.Time) *asked {
	n := nouns[noun]
	f := &asked{scope: n.scope, entity: store.OfEntity, model: q.text("model")}
	if key := q.text("api_key"); key != "" {
		f.keys = []string{storedKey(key)}
	}
	if n.ids != "" {
		f.ids = q.csv(n.ids)
	}
	if n.exclude != "" {
		f.exclude = q.csv(n.exclude)
	}
	from, to := q.text("start_date"), q.text("end_date")
	if from == "" || to == "" {
		if q.err == nil {
			q.err = invalid("start_date", "Please provide start_date and end_date")
		}
		return f
	}
	for _, d := range []struct {
		name, text string
		to         *time.Time
	}{{"start_date", from, &f.days.from}, {"end_date", to, &f.days.to}} {
		t, err := time.Parse(time.DateOnly, d.text)
		if err != nil && q.err == nil {
			q.err = invalid(d.name, "%s: want a day like 2026-01-31, got %q", d.name, shorten([]byte(d.text)))
		}
		*d.to = t
	}
	if f.days.to.Before(f.days.from) && q.err == nil {
		q.err = invalid("end_date", "end_date must not be before start_date")
	}
	if noun == "user" {
		q.untilNow(&f.days, now)
	}
	return f
}

// untilNow has days that end on the caller's own today end on UTC's, if the
// caller asks for that. Sums are kept by days of UTC, and a day of the caller's is
// taken for the day of UTC with its date: days before cannot be told apart better
// without counting hours twice. West of Greenwich a day of UTC begins while it is
// still yesterday, and what is spent from then on would not be shown until
// midnight; of that day nothing is in the future yet but what is not there.
func (q *query) untilNow(days *span, now time.Time) {
	current := q.flag("include_current_utc_day", false)
	west := q.number("timezone", 0, -18*60, 18*60) // minutes, as getTimezoneOffset of JavaScript
	if !current || q.text("timezone") == "" || q.err != nil {
		return
	}
	midnight := func(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
	today := midnight(now)
	if local := midnight(now.Add(-time.Duration(west) * time.Minute)); !days.to.Before(local) && days.to.Before(today) {
		days.to = today
	}
}

// storedKey is how the ledger knows a key that a request names, by its value,
// its hash or as the master key.
func storedKey(key string) string {
	if key == masterKeyAlias {
		return ""
	}
	return keyHash(key)
}

// shownKey is the inverse of it, for hashes.
func shownKey(hash string) string {
	if hash == "" {
		return masterKeyAlias
	}
	return hash
}

// filter is f for the store.
func (f *asked) filter() store.FactFilter {
	return store.FactFilter{
		Scope: f.scope, IDs: f.ids, Exclude: f.exclude, UserID: f.user, Keys: f.keys, Model: f.model, Day0: f.days.from, Day1: f.days.to,
	}
}

// csv returns a list that was sent with commas, or as several parameters; nil
// for none.
func (q *query) csv(name string) []string {
	var out []string
	for _, v := range append(slices.Clone(q.values[name]), q.values[name+"[]"]...) {
		for id := range strings.SplitSeq(v, ",") {
			if id = strings.TrimSpace(id); id == "" {
				continue
			}
			if err := checkText(name, id); err != nil && q.err == nil {
				q.err = err
			}
			out = append(out, id)
		}
	}
	if len(out) > maxListed && q.err == nil {
		q.err = invalid(name, "%s: %d are too many, at most %d can be asked for at once", name, len(out), maxListed)
	}
	return out
}

// narrow keeps a report to what the caller may see.
func (a *API) narrow(f *asked, p *gateway.Principal) error {
	v := a.directory.View(p)
	if v.All {
		if f.scope == store.User && f.ids == nil {
			// Calls of keys without a user count too.
			f.scope, f.entity = store.Global, store.OfUser
		}
		return nil
	}
	var mine []string
	switch f.scope {
	case store.User:
		mine = []string{v.UserID}
		if v.UserID == "" || f.ids != nil && !slices.Equal(f.ids, mine) {
			return notYours("user_id", "Non-admin users can only view their own activity. Your user_id=%s", v.UserID)
		}
	case store.Organization:
		mine = v.Organizations
	case store.Team:
		return a.narrowTeams(f, &v)
	case store.Tag:
		// Tags are nobody's: everybody sees what calls of his own had.
		if f.user = v.UserID; v.UserID != "" {
			return nil
		}
		if v.Key != "" && (f.keys == nil || slices.Equal(f.keys, []string{v.Key})) {
			f.keys = []string{v.Key}
			return nil
		}
		return notYours("", "You can only see tags of your own calls. Your role=%s", auth.RoleName(p))
	default:
		return notYours("", "Only proxy admins can see this report. Your role=%s", auth.RoleName(p))
	}
	for _, id := range f.ids {
		if !slices.Contains(mine, id) {
			return notYours("organization_ids", "You do not administer organization %s", id)
		}
	}
	if f.ids == nil {
		f.ids = append([]string{}, mine...)
	}
	return nil
}

// activityPermission is what lets a team's members see what the whole team does.
const activityPermission = "/team/daily/activity"

// narrowTeams lets admins of a team see all of it, and members what they have
// spent in it themselves, which they have to ask for by one team.
func (a *API) narrowTeams(f *asked, v *auth.View) error {
	whole := func(id string) bool {
		t := a.directory.Team(id)
		return t != nil && (slices.Contains(v.Administers, id) || slices.Contains(v.Organizations, t.OrganizationID) ||
			slices.Contains(v.Teams, id) && slices.Contains(t.MemberPermissions, activityPermission))
	}
	if f.ids == nil {
		f.ids = []string{}
		for _, id := range v.Teams {
			if whole(id) {
				f.ids = append(f.ids, id)
			}
		}
		if len(f.ids) == 0 && len(v.Teams) > 0 {
			return a.ownPlaces(f, v, v.Teams)
		}
		return nil
	}
	if !slices.ContainsFunc(f.ids, func(id string) bool { return !whole(id) }) {
		return nil
	}
	return a.ownPlaces(f, v, f.ids)
}

// ownPlaces has f be about what the caller has spent in teams.
func (a *API) ownPlaces(f *asked, v *auth.View, teams []string) error {
	for _, id := range teams {
		if !slices.Contains(v.Teams, id) {
			return notYours("team_ids", "You are not a member of team %s, or it does not exist", id)
		}
	}
	f.ids, f.user = slices.Clone(teams), v.UserID
	return nil
}
