package api

import "strings"

// maxAgent bounds the name of a client's program in the ledger, in bytes.
const maxAgent = 128

// agent returns a User-Agent as the ledger counts it: what is no visible ASCII is a
// question mark.
func agent(header string) string {
	header = strings.TrimSpace(clip(strings.TrimSpace(header), maxAgent))
	visible := func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}
	return strings.Map(visible, header)
}
