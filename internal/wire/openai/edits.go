package openai

import (
	"bytes"

	"penstock/internal/wire"
)

// Edits says what to change in messages and tools on their way to a vendor
// that does not take all that clients send. The zero value changes nothing.
type Edits struct {
	DropReasoning bool // reasoning_content and thinking_blocks of assistant messages
	DropCache     bool // cache_control anywhere
	// DropFields removes what only gateways read: provider_specific_fields,
	// is_error, and signatures in tool call ids.
	DropFields        bool
	DropNames         bool // name, on all but tool messages
	DeveloperToSystem bool
	FlattenText       bool // content that is a list of nothing but texts becomes a string
	// FixMedia gives image_url and file parts OpenAI's strict form: an object,
	// without LiteLLM's format, and with a file name.
	FixMedia bool
}

// Messages appends the edits for a messages array that starts at offset at of
// the body. The array must be valid JSON. Messages that need no change cost one
// look at their member names.
func (e Edits) Messages(messages []byte, at int, edits []wire.Edit) []wire.Edit {
	if e == (Edits{}) {
		return edits
	}
	l := itemsOf(messages)
	for l.next() {
		edits = e.message(l.val, at+l.at, edits)
	}
	return edits
}

// Tools appends the edits for a tools array that starts at offset at.
func (e Edits) Tools(tools []byte, at int, edits []wire.Edit) []wire.Edit {
	if !e.DropCache {
		return edits
	}
	l := itemsOf(tools)
	for l.next() {
		c := cutter{base: at + l.at, edits: edits}
		f := fieldsOf(l.val)
		for f.next() {
			if string(f.name) == "function" {
				in := cutter{base: c.base + f.at, edits: c.edits}
				g := fieldsOf(f.val)
				for g.next() {
					in.see(&g, string(g.name) == "cache_control")
				}
				c.edits = in.end()
			}
			c.see(&f, string(f.name) == "cache_control")
		}
		edits = c.end()
	}
	return edits
}

func (e Edits) message(m []byte, at int, edits []wire.Edit) []wire.Edit {
	c := cutter{base: at, edits: edits}
	tool := e.DropNames && isTool(m)
	f := fieldsOf(m)
	for f.next() {
		gone := false
		switch string(f.name) {
		case "role":
			if e.DeveloperToSystem && string(f.val) == `"developer"` {
				c.replace(&f, []byte(`"system"`))
			}
		case "content":
			c.edits = e.content(f.val, at+f.at, c.edits)
		case "name":
			gone = e.DropNames && !tool
		case "reasoning_content", "thinking_blocks":
			gone = e.DropReasoning
		case "provider_specific_fields", "is_error":
			gone = e.DropFields
		case "cache_control":
			gone = e.DropCache
		case "tool_call_id":
			if e.DropFields {
				c.unsign(&f)
			}
		case "tool_calls":
			if e.DropFields || e.DropCache {
				c.edits = e.calls(f.val, at+f.at, c.edits)
			}
		}
		c.see(&f, gone)
	}
	return c.end()
}

func isTool(m []byte) bool {
	f := fieldsOf(m)
	for f.next() {
		if string(f.name) == "role" {
			return string(f.val) == `"tool"` || string(f.val) == `"function"`
		}
	}
	return false
}

func (e Edits) calls(v []byte, at int, edits []wire.Edit) []wire.Edit {
	l := itemsOf(v)
	for l.next() {
		c := cutter{base: at + l.at, edits: edits}
		f := fieldsOf(l.val)
		for f.next() {
			gone := false
			switch string(f.name) {
			case "id":
				if e.DropFields {
					c.unsign(&f)
				}
			case "provider_specific_fields":
				gone = e.DropFields
			case "cache_control":
				gone = e.DropCache
			case "function":
				in := cutter{base: c.base + f.at, edits: c.edits}
				g := fieldsOf(f.val)
				for g.next() {
					in.see(&g, e.DropFields && string(g.name) == "provider_specific_fields")
				}
				c.edits = in.end()
			}
			c.see(&f, gone)
		}
		edits = c.end()
	}
	return edits
}

func (e Edits) content(v []byte, at int, edits []wire.Edit) []wire.Edit {
	if v[0] != '[' {
		return edits
	}
	if e.FlattenText {
		if text := flat(v); text != nil {
			return append(edits, wire.Edit{Start: at, End: at + len(v), New: text})
		}
	}
	l := itemsOf(v)
	for l.next() {
		c := cutter{base: at + l.at, edits: edits}
		f := fieldsOf(l.val)
		for f.next() {
			gone := false
			switch string(f.name) {
			case "cache_control":
				gone = e.DropCache
			case "image_url":
				if e.FixMedia {
					c.image(&f)
				}
			case "file":
				if e.FixMedia {
					c.file(&f)
				}
			}
			c.see(&f, gone)
		}
		edits = c.end()
	}
	return edits
}

// flat returns the texts of a list of text parts as one JSON string, nil if
// the list holds anything else. Escapes stay as they are.
func flat(v []byte) []byte {
	out := append(make([]byte, 0, len(v)), '"')
	l := itemsOf(v)
	for l.next() {
		text := []byte(nil)
		f := fieldsOf(l.val)
		for f.next() {
			switch string(f.name) {
			case "type":
				if string(f.val) != `"text"` {
					return nil
				}
			case "text":
				text = f.val
			}
		}
		if len(text) < 2 || text[0] != '"' {
			return nil
		}
		out = append(out, text[1:len(text)-1]...)
	}
	return append(out, '"')
}

// cutter collects the edits of one object whose members are seen one by one.
type cutter struct {
	base  int // offset of the object in the body
	edits []wire.Edit
	kept  int // end of the last member that stays, 0 if none does
	from  int // start of the members that go, 0 if none are waiting
	last  int // end of the last member seen
}

// see takes notice of the member that f stands at. A run of members that go is
// one edit, so that the commas between those that stay are right.
func (c *cutter) see(f *fields, gone bool) {
	c.last = f.at + len(f.val)
	if gone {
		if c.from == 0 {
			c.from = f.key
		}
		return
	}
	if c.from != 0 {
		c.cut(c.from, f.key)
		c.from = 0
	}
	c.kept = c.last
}

func (c *cutter) end() []wire.Edit {
	switch {
	case c.from == 0:
	case c.kept != 0:
		c.cut(c.kept, c.last)
	default:
		c.cut(c.from, c.last)
	}
	return c.edits
}

func (c *cutter) cut(from, to int) {
	c.edits = append(c.edits, wire.Edit{Start: c.base + from, End: c.base + to})
}

func (c *cutter) replace(f *fields, v []byte) {
	start := c.base + f.at
	c.edits = append(c.edits, wire.Edit{Start: start, End: start + len(f.val), New: v})
}

// unsign cuts a vendor's signature off a tool call id.
func (c *cutter) unsign(f *fields) {
	if i := bytes.Index(f.val, []byte(signatureMark)); i > 0 && f.val[0] == '"' {
		c.cut(f.at+i, f.at+len(f.val)-1)
	}
}

func (c *cutter) image(f *fields) {
	if f.val[0] == '"' {
		c.replace(f, append(append([]byte(`{"url":`), f.val...), '}'))
		return
	}
	c.formatless(f)
}

func (c *cutter) formatless(f *fields) {
	in := cutter{base: c.base + f.at, edits: c.edits}
	g := fieldsOf(f.val)
	for g.next() {
		in.see(&g, string(g.name) == "format")
	}
	c.edits = in.end()
}

func (c *cutter) file(f *fields) {
	data, named := false, false
	g := fieldsOf(f.val)
	for g.next() {
		data = data || string(g.name) == "file_data"
		named = named || string(g.name) == "filename"
	}
	if data && !named {
		open := c.base + f.at + 1
		c.edits = append(c.edits, wire.Edit{Start: open, End: open, New: []byte(`"filename":"file.pdf",`)})
	}
	c.formatless(f)
}
