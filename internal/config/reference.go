package config

import (
	"cmp"
	"slices"
)

// Key describes one setting, for the reference and for "penstock check".
type Key struct {
	Section string // "general_settings", …; "" for a section itself, "environment" for a variable
	Name    string
	Want    string // what the file must have there
	Why     string // why it is not honoured, "" if it is
}

// Reference lists every setting that Load knows, by section and name.
func Reference() []Key {
	l := newLoader(Options{})
	var out []Key
	add := func(section string, keys []key) {
		for _, k := range keys {
			out = append(out, Key{section, k.name, k.kind, k.why})
		}
	}
	add("", sectionKeys())
	add("litellm_settings", l.litellmKeys())
	add("router_settings", l.routerKeys())
	add("general_settings", l.generalKeys())
	add("litellm_params", paramKeys(new(draft)))
	add("model_info", infoKeys(new(draft)))
	add("environment", l.environmentKeys())
	slices.SortFunc(out, func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.Section, b.Section), cmp.Compare(a.Name, b.Name))
	})
	return out
}
