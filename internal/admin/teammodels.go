package admin

import (
	"net/http"
	"slices"

	"penstock/internal/auth"
	"penstock/internal/gateway"
)

// teamModelsBody is the body of POST /team/model/add and /team/model/delete.
type teamModelsBody struct {
	ID     Opt[string]   `json:"team_id"`
	Models Opt[[]string] `json:"models"`
	unknown
}

// noModels in a list of models has it not be empty, which would allow all.
const noModels = "no-default-models"

func (a *API) addTeamModels(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	return a.editTeamModels(w, r, p, func(have, models []string) []string {
		have = slices.DeleteFunc(have, func(m string) bool { return m == noModels })
		for _, m := range models {
			if !slices.Contains(have, m) {
				have = append(have, m)
			}
		}
		return have
	})
}

func (a *API) deleteTeamModels(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	return a.editTeamModels(w, r, p, func(have, models []string) []string {
		return slices.DeleteFunc(slices.Clone(have), func(m string) bool { return slices.Contains(models, m) })
	})
}

func (a *API) editTeamModels(w http.ResponseWriter, r *http.Request, p *gateway.Principal, edit func(have, models []string) []string) (any, error) {
	var b teamModelsBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	id := b.ID.Or("")
	switch {
	case id == "":
		return nil, malformed("team_id", "team_id is missing: say which team")
	case len(b.Models.Value) == 0:
		return nil, malformed("models", "models is missing: pass a list of models")
	}
	if err := checkTexts("models", b.Models.Value); err != nil {
		return nil, err
	}
	if _, err := a.teamFor(r.Context(), p, auth.Change, id); err != nil {
		return nil, err
	}
	t, err := a.editTeam(r, p, id, nil, func(t *gateway.Team) error {
		left := edit(slices.Clone(t.Models), b.Models.Value)
		if len(t.Models) > 0 && len(left) == 0 {
			// An empty list is every model: the opposite of what was asked for.
			left = []string{noModels}
		}
		t.Models = left
		return nil
	})
	if err != nil {
		return nil, err
	}
	row := a.teamRow(t)
	return &row, nil
}
