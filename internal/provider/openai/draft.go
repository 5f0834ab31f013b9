package openai

import (
	"slices"
	"strings"

	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// draft is a request body being changed: the client's bytes and what is to be
// different about their top-level members.
type draft struct {
	in    *wire.Object
	gone  []string        // members of in that go
	put   []gateway.Param // members with a new value
	inner []wire.Edit     // edits inside members that stay
}

// get returns the member as it stands now, nil if it is absent or null.
func (dr *draft) get(name string) []byte {
	for i := range dr.put {
		if dr.put[i].Name == name {
			return dr.put[i].Value
		}
	}
	if slices.Contains(dr.gone, name) {
		return nil
	}
	if v := dr.in.Get(name); string(v) != "null" {
		return v
	}
	return nil
}

// set gives the member the value.
func (dr *draft) set(name string, v []byte) {
	for i := range dr.put {
		if dr.put[i].Name == name {
			dr.put[i].Value = v
			return
		}
	}
	dr.put = append(dr.put, gateway.Param{Name: name, Value: v})
}

// del removes the member.
func (dr *draft) del(name string) {
	dr.put = slices.DeleteFunc(dr.put, func(p gateway.Param) bool { return p.Name == name })
	if dr.in.Find(name) != nil && !slices.Contains(dr.gone, name) {
		dr.gone = append(dr.gone, name)
	}
}

// rename moves the member, unless the vendor's name is taken already.
func (dr *draft) rename(from, to string) {
	v := dr.get(from)
	if v == nil {
		return
	}
	dr.del(from)
	if dr.get(to) == nil {
		dr.set(to, v)
	}
}

// touched reports whether the member's bytes are no longer the client's.
func (dr *draft) touched(name string) bool {
	return slices.Contains(dr.gone, name) ||
		slices.ContainsFunc(dr.put, func(p gateway.Param) bool { return p.Name == name })
}

// drop removes members by path, such as "seed" or "response_format.strict".
func (dr *draft) drop(paths []string) {
	for _, path := range paths {
		top, rest, nested := strings.Cut(path, ".")
		if !nested {
			dr.del(path)
			continue
		}
		v := dr.get(top)
		if v == nil || v[0] != '{' {
			continue
		}
		// A value of its own is simpler than edits inside edits, and these
		// members are small.
		if out, ok := without(v, rest); ok {
			dr.set(top, out)
		}
	}
}

// without returns the object v without the member at path.
func without(v []byte, path string) ([]byte, bool) {
	var o wire.Object
	if len(v) == 0 || v[0] != '{' || o.Parse(v) != nil {
		return nil, false
	}
	top, rest, nested := strings.Cut(path, ".")
	if o.Find(top) == nil {
		return nil, false
	}
	if !nested {
		return wire.Segments(v, o.Delete(top)).Bytes(), true
	}
	in, ok := without(o.Get(top), rest)
	if !ok {
		return nil, false
	}
	return wire.Segments(v, []wire.Edit{o.Set(top, in)}).Bytes(), true
}

// edits returns what has been collected.
func (dr *draft) edits() []wire.Edit {
	// A member that is put where it stood is replaced, not removed and added.
	gone := slices.DeleteFunc(slices.Clone(dr.gone), func(name string) bool {
		return slices.ContainsFunc(dr.put, func(p gateway.Param) bool { return p.Name == name })
	})
	out := make([]wire.Edit, 0, len(gone)+len(dr.put)+len(dr.inner)+4)
	out = append(out, dr.in.Delete(gone...)...)
	for _, p := range dr.put {
		out = append(out, dr.in.Set(p.Name, p.Value))
	}
	return append(out, dr.inner...)
}
