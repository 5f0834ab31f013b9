package admin

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"penstock/internal/gateway"
)

// deprecations are the models that their providers will stop serving, or have.
type deprecations struct {
	Deprecated []deprecation `json:"deprecated"` // the day is over
	Imminent   []deprecation `json:"imminent"`   // within warn_within_days
	Upcoming   []deprecation `json:"upcoming"`   // later
	Within     int           `json:"warn_within_days"`
	CheckedAt  time.Time     `json:"checked_at"`
}

type deprecation struct {
	Name     string  `json:"model_name"`
	Model    string  `json:"litellm_model"` // the provider's name of it
	Date     string  `json:"deprecation_date"`
	Days     int     `json:"days_until_deprecation"` // negative if it is over
	Status   string  `json:"status"`                 // upcoming, imminent or deprecated
	Provider *string `json:"litellm_provider"`
}

// modelDeprecations shows of the models that the caller may know of those with a
// date, each name and date once. A date in model_info goes before the price
// table's.
func (a *API) modelDeprecations(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	out := &deprecations{Deprecated: []deprecation{}, Imminent: []deprecation{}, Upcoming: []deprecation{}, Within: q.number("warn_within_days", 30, 0, 100_000), CheckedAt: a.now()}
	if q.err != nil {
		return nil, q.err
	}
	today := out.CheckedAt.UTC().Truncate(24 * time.Hour)
	var all []deprecation
	for _, m := range a.seen(p, false) {
		ends, err := time.Parse(time.DateOnly, m.ends())
		if err != nil {
			continue // none is known
		}
		d := m.Deployment
		all = append(all, deprecation{
			Name: publicName(d), Model: d.Provider + "/" + d.Upstream, Date: ends.Format(time.DateOnly),
			Days: int(ends.Sub(today) / (24 * time.Hour)), Provider: text(d.Provider),
		})
	}
	slices.SortStableFunc(all, func(x, y deprecation) int { return cmp.Or(cmp.Compare(x.Date, y.Date), cmp.Compare(x.Name, y.Name)) })
	all = slices.CompactFunc(all, func(x, y deprecation) bool { return x.Date == y.Date && x.Name == y.Name })
	for _, d := range all {
		list := &out.Upcoming
		switch d.Status = "upcoming"; {
		case d.Days < 0:
			d.Status, list = "deprecated", &out.Deprecated
		case d.Days <= out.Within:
			d.Status, list = "imminent", &out.Imminent
		}
		*list = append(*list, d)
	}
	return out, nil
}

// ends is the day from which the provider may not serve the model, "" if none is
// known. The price table finds other editions of a model for their prices; their
// days are not this one's.
func (m *Model) ends() string {
	var info struct {
		Ends string `json:"deprecation_date"`
	}
	if json.Unmarshal(m.Info, &info) == nil && info.Ends != "" {
		return info.Ends
	}
	if m.Price == nil {
		return ""
	}
	name := cmp.Or(m.Deployment.BaseModel, m.Deployment.Upstream)
	if key := m.Price.Key; key == name || strings.HasSuffix(key, "/"+name) || strings.HasSuffix(name, "/"+key) {
		return m.Price.Ends
	}
	return ""
}
