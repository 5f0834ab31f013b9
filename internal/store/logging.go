package store

import (
	"context"

	"penstock/internal/gateway"
)

// logTargets is the stored form of gateway.Logging.
type logTargets struct {
	Off bool        `json:"off,omitzero"`
	To  []logTarget `json:"to,omitempty"`
}

type logTarget struct {
	Name      string `json:"name"`
	OnSuccess bool   `json:"success,omitzero"`
	OnFailure bool   `json:"failure,omitzero"`
	Trusted   bool   `json:"trusted,omitzero"`
	Vars      string `json:"vars,omitzero"`
}

// logging is where calls are logged to.
func logging(p **gateway.Logging) field {
	return packed("logging",
		func() (logTargets, error) {
			var out logTargets
			if *p == nil {
				return out, nil
			}
			out.Off = (*p).Off
			for _, t := range (*p).To {
				if err := checkTexts(named{"callback_name", t.Name}); err != nil {
					return out, err
				}
				if err := checkObjects(named{"callback_vars", string(t.Vars)}); err != nil {
					return out, err
				}
				out.To = append(out.To, logTarget{t.Name, t.OnSuccess, t.OnFailure, t.Trusted, string(t.Vars)})
			}
			return out, nil
		},
		func(s *logTargets) {
			*p = nil
			if !s.Off && len(s.To) == 0 {
				return
			}
			*p = &gateway.Logging{Off: s.Off}
			for _, t := range s.To {
				(*p).To = append((*p).To, gateway.LogTarget{Name: t.Name, OnSuccess: t.OnSuccess, OnFailure: t.OnFailure, Trusted: t.Trusted, Vars: decodeObject(t.Vars)})
			}
		})
}

// AllKeyLogging calls yield with every key that has logging of its own, in no
// order. An error of yield ends it and is returned.
func (db *DB) AllKeyLogging(ctx context.Context, yield func(*gateway.Key) error) error {
	return keys.each(ctx, db.r, keys.selectSQL()+" WHERE logging <> ''", nil, yield)
}

// AllTeamLogging is AllKeyLogging of teams.
func (db *DB) AllTeamLogging(ctx context.Context, yield func(*gateway.Team) error) error {
	return teams.each(ctx, db.r, teams.selectSQL()+" WHERE logging <> ''", nil, yield)
}
