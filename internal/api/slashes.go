package api

import (
	"net/url"
	"strings"
)

// within are the endpoints whose name in the path may have slashes, which many
// clients send as they are: openai/gpt-4o. The mux matches one segment.
var within = [...]struct{ before, after string }{
	{"/openai/deployments/", "/chat/completions"},
	{"/openai/deployments/", "/embeddings"},
	{"/engines/", "/chat/completions"},
	{"/engines/", "/embeddings"},
	{"/credentials/by_name/", ""},
	{"/credentials/by_model/", ""},
	{"/credentials/", ""},
	{"/key/", "/regenerate"},
	{"/key/", "/reset_spend"},
}

// slashed returns u with the slashes of the name in its path escaped, so that
// it is one segment; nil if no endpoint has a name there, or it has none.
func slashed(u *url.URL) *url.URL {
	path := u.EscapedPath()
	for _, w := range within {
		name, ok := strings.CutPrefix(path, w.before)
		if !ok {
			continue
		}
		if name, ok = strings.CutSuffix(name, w.after); !ok || !strings.Contains(name, "/") {
			continue
		}
		out := *u
		out.RawPath = w.before + strings.ReplaceAll(name, "/", "%2F") + w.after
		return &out
	}
	return nil
}
