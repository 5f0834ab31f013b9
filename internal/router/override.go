package router

import (
	"errors"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
)

// Override is what a key or a team wants different for its calls: the members
// of its router_settings that are honoured.
type Override struct {
	Strategy         Strategy                      `json:"routing_strategy"`
	Retries          *int                          `json:"num_retries"`
	Seconds          float64                       `json:"timeout"`
	Fallbacks        routes                        `json:"fallbacks"`
	ContextWindow    routes                        `json:"context_window_fallbacks"`
	ContentPolicy    routes                        `json:"content_policy_fallbacks"`
	GroupRetryPolicy map[string]map[string]int     `json:"model_group_retry_policy"`
	TagFiltering     *bool                         `json:"enable_tag_filtering"`
	Aliases          map[string]aliasName          `json:"model_group_alias"`
	Weights          map[string]map[string]float64 `json:"weights"`

	groupRetries map[string]*policy
}

// ParseOverride reads the router_settings of a key or a team, a JSON object.
// The error says which member is wrong.
func ParseOverride(b []byte) (*Override, error) {
	o := new(Override)
	if err := json.Unmarshal(b, o); err != nil {
		return nil, err
	}
	switch {
	case o.Strategy != "" && !o.Strategy.Known():
		return nil, errors.New("routing_strategy: there is no strategy " + string(o.Strategy))
	case o.Retries != nil && (*o.Retries < 0 || *o.Retries > maxAttempts):
		return nil, errors.New("num_retries: want a whole number from 0 to 64")
	case o.Seconds < 0 || o.Seconds > 86400:
		return nil, errors.New("timeout: want a number of seconds up to 86400")
	}
	o.groupRetries = map[string]*policy{}
	for g, counts := range o.GroupRetryPolicy {
		bare := map[string]int{}
		for name, n := range counts {
			bare[cutRetries(name)] = n
		}
		o.groupRetries[g] = newPolicy(bare)
	}
	return o, nil
}

// cutRetries returns LiteLLM's name of an error out of that of a setting.
func cutRetries(name string) string {
	const ending = "Retries"
	if n := len(name) - len(ending); n > 0 && name[n:] == ending {
		return name[:n]
	}
	return name
}

// timeout returns how long an answer may take, 0 if o does not say.
func (o *Override) timeout() time.Duration { return time.Duration(o.Seconds * float64(time.Second)) }

// within returns those of the groups that p may use, if o has fallbacks of its
// own or the configuration wants that of all.
func (o *Override) within(t *Table, p *gateway.Principal, groups []string) []string {
	if !t.set.AllowedOnly && o.Fallbacks == nil && o.ContextWindow == nil && o.ContentPolicy == nil {
		return groups
	}
	return slices.DeleteFunc(slices.Clone(groups), func(g string) bool { return t.set.Allowed(p, g, t) != nil })
}

// general returns the general fallbacks, o's own if it has some.
func (o *Override) general(s *Settings) map[string][]string {
	if o.Fallbacks != nil {
		return o.Fallbacks
	}
	return s.Fallbacks
}

// routes are fallbacks as LiteLLM writes them: a list of one-entry objects.
type routes map[string][]string

// UnmarshalJSON implements json.Unmarshaler.
func (r *routes) UnmarshalJSON(b []byte) error {
	var list []map[string][]aliasName
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	*r = routes{}
	for _, entry := range list {
		for from, to := range entry {
			names := make([]string, 0, len(to))
			for _, n := range to {
				names = append(names, string(n))
			}
			(*r)[from] = names
		}
	}
	return nil
}

// aliasName is a group's name, or an object whose member model is one.
type aliasName string

// UnmarshalJSON implements json.Unmarshaler.
func (a *aliasName) UnmarshalJSON(b []byte) error {
	if jsontext.Value(b).Kind() == '"' {
		return json.Unmarshal(b, (*string)(a))
	}
	var o struct {
		Model string `json:"model"`
	}
	err := json.Unmarshal(b, &o)
	*a = aliasName(o.Model)
	return err
}

// none is the Override of those who have none.
var none = Override{}

// maxOverrides bounds the overrides that are remembered.
const maxOverrides = 10_000

// override returns what the key of p, or else its team, wants different. One
// that cannot be read counts for nothing.
func (t *Table) override(p *gateway.Principal) *Override {
	for _, b := range [...][]byte{keySettings(p), teamSettings(p)} {
		if len(b) <= len(`{}`) {
			continue
		}
		// Keys and teams never change, so the place of their settings stands
		// for what is in them.
		at := &b[0]
		if o, ok := t.overrides.Load(at); ok {
			return o.(*Override)
		}
		o, err := ParseOverride(b)
		if err != nil {
			o = &none
		}
		if t.nOverrides.Add(1) < maxOverrides {
			t.overrides.Store(at, o)
		}
		return o
	}
	return &none
}

func keySettings(p *gateway.Principal) []byte {
	if p.Key == nil {
		return nil
	}
	return p.Key.RouterSettings
}

func teamSettings(p *gateway.Principal) []byte {
	if p.Team == nil {
		return nil
	}
	return p.Team.RouterSettings
}
