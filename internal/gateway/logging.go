package gateway

// Logging is where the calls of a key or of a team are logged to, besides the
// configured destinations or in their place. It is not changed once it is stored.
type Logging struct {
	// Off has no destination at all be told of the calls. They are booked as ever.
	Off bool
	To  []LogTarget
}

// LogTarget is one destination of a key or a team.
type LogTarget struct {
	Name      string // callback_name: "langfuse", "generic_api", …
	OnSuccess bool
	OnFailure bool
	// Trusted says that an admin of the gateway has set it: it may be in a
	// private network.
	Trusted bool
	// Vars are callback_vars, a JSON object of texts, which are sealed.
	Vars []byte
}

// LogOwner is whose logging holds for a call.
type LogOwner struct {
	Kind string // "key" or "team"
	ID   string // its hash, or its id
}

// Logging returns the logging that holds for the principal's calls, nil if there is only
// the configured one: that of the key, else that of the team. A team that has it off
// has it off for all of its keys.
func (p *Principal) Logging() (*Logging, LogOwner) {
	if t := p.Team; t != nil && t.Logging != nil && t.Logging.Off {
		return t.Logging, LogOwner{"team", t.ID}
	}
	if k := p.Key; k != nil && k.Logging != nil && (k.Logging.Off || len(k.Logging.To) > 0) {
		return k.Logging, LogOwner{"key", k.Hash}
	}
	if t := p.Team; t != nil && t.Logging != nil && len(t.Logging.To) > 0 {
		return t.Logging, LogOwner{"team", t.ID}
	}
	return nil, LogOwner{}
}
