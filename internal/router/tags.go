package router

import (
	"slices"
	"strings"

	"penstock/internal/gateway"
)

// defaultTag marks deployments for calls that no tag leads elsewhere.
const defaultTag = "default"

// tagRule is what a call's tags say about the deployments of one group.
type tagRule struct {
	on       bool
	defaults bool // those tagged default are meant
	nobody   bool // no deployment of the group is admitted
	all      bool // all of plain are needed, instead of one
	agent    string
	plain    [8]string // no more count
	must     [8]string
	not      [8]string
	nPlain   int
	nMust    int
	nNot     int
}

// tagRule works out which deployments of g are for the call: those with its
// tags, or else those tagged default; without tags in the call, those tagged
// default, or else all. "!tag" must not be among a deployment's, "&tag" must.
func (t *Table) tagRule(g *group, c *gateway.Call) tagRule {
	r := tagRule{on: true, all: t.set.MatchAll}
	if c.UserAgent != "" {
		r.agent = "User-Agent: " + c.UserAgent
	}
	for _, tag := range c.Tags {
		name, kind := tag, byte(0)
		if tag != "" && (tag[0] == '!' || tag[0] == '&') {
			name, kind = tag[1:], tag[0]
		}
		if !strings.HasPrefix(name, t.set.TagPrefix) {
			continue
		}
		switch {
		case kind == '!' && r.nNot < len(r.not):
			r.not[r.nNot] = name
			r.nNot++
		case kind == '&' && r.nMust < len(r.must):
			r.must[r.nMust] = name
			r.nMust++
		case kind == 0 && r.nPlain < len(r.plain):
			r.plain[r.nPlain] = name
			r.nPlain++
		}
	}
	any := func() bool { return slices.ContainsFunc(g.members, r.admits) }
	if r.asks() || slices.ContainsFunc(g.members, r.pattern) {
		if any() {
			return r
		}
		r.defaults = true
		r.nobody = !any()
		return r
	}
	if r.defaults = true; !any() {
		return tagRule{}
	}
	return r
}

// asks reports whether the call has tags that count.
func (r *tagRule) asks() bool { return r.nPlain+r.nMust+r.nNot > 0 }

// pattern reports whether one of m's patterns matches the client's program.
func (r *tagRule) pattern(m *member) bool {
	if r.agent == "" {
		return false
	}
	for _, re := range m.regex {
		if re.MatchString(r.agent) {
			return true
		}
	}
	return false
}

func (r *tagRule) admits(m *member) bool {
	has := func(tag string) bool { return slices.Contains(m.Tags, tag) }
	if slices.ContainsFunc(r.not[:r.nNot], has) {
		return false
	}
	if r.defaults {
		return has(defaultTag)
	}
	if r.pattern(m) {
		return true
	}
	for _, tag := range r.must[:r.nMust] {
		if !has(tag) {
			return false
		}
	}
	plain := r.plain[:r.nPlain]
	switch {
	case len(plain) == 0:
		return r.nMust+r.nNot > 0
	case r.all:
		return !slices.ContainsFunc(plain, func(tag string) bool { return !has(tag) })
	}
	return slices.ContainsFunc(plain, has)
}
