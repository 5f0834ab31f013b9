package config

import (
	"fmt"

	"penstock/internal/gateway"
)

// Stored is what the database adds to the file. Values are opened.
type Stored struct {
	// Models are added to the file's if general_settings.store_model_in_db is
	// on. One that cannot be served is left out with a warning: whoever wrote it
	// must not keep everybody else's gateway from starting.
	Models []gateway.StoredModel
	// Credentials are there for every deployment; the file's go first.
	Credentials []gateway.Credential
}

// storedCredentials takes the credentials of the database.
func (l *loader) storedCredentials() {
	if l.o.Stored == nil {
		return
	}
	for _, c := range l.o.Stored.Credentials {
		at := fmt.Sprintf("credential %q in the database", c.Name)
		if values := l.storedObject(at, c.Values); values != nil {
			l.stored[c.Name] = values
		}
	}
}

// storedModels adds the models of the database.
func (l *loader) storedModels() {
	if l.o.Stored == nil || !l.cfg.Server.StoreModelInDB {
		return
	}
	for i := range l.o.Stored.Models {
		l.storedModel(&l.o.Stored.Models[i])
	}
}

func (l *loader) storedModel(m *gateway.StoredModel) {
	at := fmt.Sprintf("model %q (%s) in the database", m.Name, m.ID)
	text := func(s string) *node { return &node{shape: scalar, tag: "!!str", text: s, file: at} }
	params, info := l.storedObject(at, m.Params), l.storedObject(at, m.Info)
	if params == nil || info == nil {
		return
	}
	fixed := []field{{name: "id", value: text(m.ID)}}
	if m.TeamID != "" {
		fixed = append(fixed, field{name: "team_id", value: text(m.TeamID)})
	}
	for _, f := range info.fields {
		if f.name != "id" && (f.name != "team_id" || m.TeamID == "") {
			fixed = append(fixed, f)
		}
	}
	info.fields = fixed
	problems, models := len(l.problems), len(l.cfg.Models)
	l.deployment(&node{shape: mapping, file: at, fields: []field{
		{name: "model_name", value: text(m.Name)}, {name: "litellm_params", value: params}, {name: "model_info", value: info},
	}})
	l.leaveOut(problems)
	for i := range l.cfg.Models[models:] {
		d := &l.cfg.Models[models+i]
		d.Stored = true
		d.Blocked = d.Blocked || m.Blocked
	}
}

// storedObject reads one JSON object of the database; nil if it is none.
func (l *loader) storedObject(at string, raw []byte) *node {
	if len(raw) == 0 {
		return &node{shape: mapping, file: at}
	}
	problems, nodes := len(l.problems), 0
	n, ps := parse(at, raw, &nodes)
	l.problems = append(l.problems, ps...)
	l.leaveOut(problems)
	n.mark()
	return n
}

// mark says of a node and all in it that they come from the database.
func (n *node) mark() {
	if n == nil {
		return
	}
	n.stored = true
	for _, item := range n.items {
		item.mark()
	}
	for _, f := range n.fields {
		f.value.mark()
	}
}

// leaveOut turns the problems from number n on into warnings.
func (l *loader) leaveOut(n int) {
	for _, p := range l.problems[n:] {
		p.Line = 0 // the database has none
		l.report.Warnings = append(l.report.Warnings, "left out: "+p.String())
	}
	l.problems = l.problems[:n]
}
