package limit

import (
	"math"
	"time"

	"github.com/go-json-experiment/json"

	"penstock/internal/gateway"
)

// sessionTTL is how long a session that makes no call is remembered. Clients
// name their sessions, so nobody knows when one is over.
const sessionTTL = time.Hour

// sessionLimits are the limits that the metadata of a key puts on each of its
// sessions, by LiteLLM's names.
type sessionLimits struct {
	RPM    *int64   `json:"session_rpm_limit"`
	TPM    *int64   `json:"session_tpm_limit"`
	Budget *float64 `json:"max_budget_per_session"` // USD
}

// session returns the limits on each session of the key whose set this is; nil
// if there are none.
func (s *Set) session(metadata []byte) *gateway.Limits {
	if l := s.sessions.Load(); l != nil {
		return l.limits
	}
	l := &sessions{}
	var m sessionLimits
	// Metadata is the administrators' to write: what is none of these is no error.
	if err := json.Unmarshal(metadata, &m, json.RejectUnknownMembers(false)); err == nil && (m.RPM != nil || m.TPM != nil || m.Budget != nil) {
		l.limits = &gateway.Limits{RPM: m.RPM, TPM: m.TPM}
		if m.Budget != nil && *m.Budget >= 0 && *m.Budget < 1e9 {
			l.limits.Budget = new(gateway.NanoUSD(math.Round(*m.Budget * 1e9)))
		}
	}
	s.sessions.Store(l)
	return l.limits
}

// sessions are session limits that have been looked for; nil limits are none.
type sessions struct{ limits *gateway.Limits }
