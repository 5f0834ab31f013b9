package gateway

import (
	"fmt"
	"slices"
	"time"
)

// Filter is what keeps a deployment out of a pick. The numbers go into stored
// records: never reorder them, add at the end.
type Filter uint8

// The filters there are, in the order they are asked in, but for the last ones.
const (
	NoFilter         Filter = iota
	FilterTeam              // the deployment is another team's
	FilterAccess            // it is in none of the access groups the key was let in by, or not a tag's
	FilterBlocked           // model_info.blocked
	FilterCooldown          // it has failed lately; Have is nanoseconds left
	FilterHealth            // its last health check failed; Have is nanoseconds that this counts for
	FilterTags              // the request's tags ask for others
	FilterRegion            // it is in another region, or in one that is not known
	FilterContext           // the prompt is longer (Have) than its window (Limit), in tokens
	FilterCapability        // it cannot do what the request needs; Have is the Capability
	FilterRPM               // Have of Limit requests in this minute
	FilterTPM               // Have of Limit tokens in this minute
	FilterParallel          // Have of Limit calls in flight
	FilterBudget            // its own or its provider's budget is spent
	FilterTried             // it has failed this call already, and others have not
	FilterProbe             // one call is finding out whether it is well again
	Filters                 // how many there are
)

var filterNames = [Filters]string{
	"none", "team", "access group", "blocked", "cooldown", "health", "tags", "region", "context window",
	"capability", "rpm", "tpm", "max_parallel_requests", "budget", "tried", "probe",
}

// String returns the filter's name.
func (f Filter) String() string {
	if f < Filters {
		return filterNames[f]
	}
	return fmt.Sprintf("filter %d", uint8(f))
}

// Naming is how a client's model name was understood. Never reorder the
// values, add at the end.
type Naming uint8

// The ways there are.
const (
	ByGroup     Naming = iota // a model_name
	ByID                      // a model_info.id
	ByWildcard                // a model_name with stars
	ByTeam                    // a team's own name (team_public_model_name)
	ByUpstream                // a deployment's litellm_params.model
	ByNoName                  // nobody serves it
	namingKinds               // how many there are
)

var namingNames = [namingKinds]string{"group", "id", "wildcard", "team", "upstream", "unknown"}

// String returns the way's name.
func (n Naming) String() string {
	if n < namingKinds {
		return namingNames[n]
	}
	return fmt.Sprintf("naming %d", uint8(n))
}

// Removal is one deployment that a filter kept out of a pick.
type Removal struct {
	Deployment string // ID
	Filter     Filter
	// Have and Limit are the two numbers the filter compared, in the unit its
	// comment names; 0 if there are none.
	Have, Limit int64
}

// String says in words why the deployment was kept out.
func (r Removal) String() string {
	switch r.Filter {
	case FilterCooldown, FilterHealth:
		return fmt.Sprintf("%s: %s for another %s", r.Deployment, r.Filter, time.Duration(r.Have).Round(time.Millisecond))
	case FilterCapability:
		return fmt.Sprintf("%s: %s: %s", r.Deployment, r.Filter, Capability(r.Have))
	case FilterContext, FilterRPM, FilterTPM, FilterParallel:
		return fmt.Sprintf("%s: %s: %d of %d", r.Deployment, r.Filter, r.Have, r.Limit)
	}
	return r.Deployment + ": " + r.Filter.String()
}

// Pick is one choice of a deployment.
type Pick struct {
	Group      string
	Candidates int // deployments that serve the name
	// Looked is how many of them were looked at: in groups of more than 64 not
	// all, unless nothing else is found.
	Looked  int
	Removed int // how many of those the filters kept out
	// From and To are where in Why.Removals they stand, as far as there is room.
	From, To int
	Level    int    // the order of the chosen one, 0 if it has none
	Strategy string // what chose, e.g. "least-busy"; "id" if it was asked for by its ID
	Sticky   bool   // the choice was that of an earlier call, for the provider's prompt cache
	// Deployment is the ID of the chosen one, "" if none was left.
	Deployment string
}

// Hop is one step to another group, or to a higher order of the same.
type Hop struct {
	From, To string
	Because  Kind // of the failure
	Level    int  // the order that comes next, 0 if the group changed
}

// Why is how a call found its way: what its model name stood for, each pick
// and what the filters kept out of it, and each fallback. The picks with a
// Deployment are, in order, those of the call's attempts, but for attempts
// that are Hedged. A Why of a running call is the router's own; Clone it to keep it.
type Why struct {
	Asked    string // group after aliases
	Naming   Naming
	Picks    []Pick
	Removals []Removal
	Hops     []Hop
}

// Clone returns a copy that shares nothing with w.
func (w *Why) Clone() Why {
	return Why{
		Asked: w.Asked, Naming: w.Naming,
		Picks: slices.Clone(w.Picks), Removals: slices.Clone(w.Removals), Hops: slices.Clone(w.Hops),
	}
}

// Capability is a set of things that not every model can do.
type Capability uint8

// The capabilities that routing looks at.
const (
	Vision Capability = 1 << iota
	Tools
	ResponseSchema
	AudioInput
)

var capabilityNames = [...]string{"vision", "tools", "response schema", "audio input"}

// String returns the names of the capabilities.
func (c Capability) String() string {
	s := ""
	for i, name := range capabilityNames {
		if c&(1<<i) != 0 {
			if s != "" {
				s += ", "
			}
			s += name
		}
	}
	return s
}
