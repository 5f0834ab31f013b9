package providertest

import (
	"bytes"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/wire"
	"penstock/internal/wire/openai"
)

// created is the time in every answer, so that golden files stay the same.
const created = 1_700_000_000

// kind says which of an adapter's methods an exchange goes through.
type kind int

const (
	chat   kind = iota // the client speaks OpenAI
	native             // the client speaks the vendor's own dialect
	embed
)

// play returns the golden file as p would have it.
func (x *exchange) play(t *testing.T, p provider.Provider, opts Options) []byte {
	t.Helper()
	d, c := x.target(t, p)
	k, body := chat, strings.TrimSpace(x.client)
	if first, rest, ok := strings.Cut(body, "\n"); ok && strings.HasPrefix(first, "POST ") {
		switch strings.TrimSpace(first) {
		case "POST /v1/embeddings":
			k, c.Op, c.Route = embed, gateway.Embed, "/v1/embeddings"
		case "POST native":
			k = native
		default:
			t.Fatalf("client part starts with %q; want POST /v1/embeddings, POST native or a JSON body", first)
		}
		body = strings.TrimSpace(rest)
	}
	c.Body = []byte(body)
	c.In = &wire.Object{}
	if err := c.In.Parse(c.Body); err != nil {
		t.Fatalf("client part: %v", err)
	}
	c.Model, _ = c.In.String("model")
	if c.Model == "" {
		c.Model = "m"
	}
	c.Group = c.Model
	c.Stream = strings.Contains(body, `"stream":true`)

	var out bytes.Buffer
	if x.deployment != "" {
		fmt.Fprintf(&out, "-- deployment --\n%s", x.deployment)
	}
	fmt.Fprintf(&out, "-- client --\n%s-- upstream request --\n", x.client)

	s := seat{t: t, p: p, x: x, c: c, kind: k}
	req, err := s.request(d, opts)
	if err != nil {
		out.WriteString(errorLine(err))
	} else {
		showRequest(t, &out, d, req)
	}
	for _, name := range c.Dropped {
		fmt.Fprintf(&out, "dropped: %s\n", name)
	}
	if x.title == "" {
		return out.Bytes()
	}
	fmt.Fprintf(&out, "-- %s --\n%s-- answer --\n", x.title, x.answer)
	out.WriteString(s.answer())
	return out.Bytes()
}

// seat is the place of the relay: between the client and the adapter.
type seat struct {
	t      *testing.T
	p      provider.Provider
	x      *exchange
	c      *provider.Call
	kind   kind
	newTap func(wire.TapOptions) wire.Tap // nil if the answer is translated
	asked  bool                           // the client wants usage in its stream
}

// request builds the upstream request the way the relay does.
func (s *seat) request(d *gateway.Deployment, opts Options) (*provider.Request, error) {
	s.t.Helper()
	if s.kind == embed {
		p, ok := s.p.(provider.Embed)
		if !ok {
			s.t.Fatalf("%s does not implement provider.Embed", s.p.Name())
		}
		return p.EmbedRequest(d, s.c)
	}
	p, ok := s.p.(provider.Chat)
	if !ok {
		s.t.Fatalf("%s does not implement provider.Chat", s.p.Name())
	}
	if s.kind == native {
		if opts.NativeTap == nil {
			s.t.Fatal("a client part starts with POST native, but Options.NativeTap is nil")
		}
		s.c.Dialect, s.newTap, s.asked = p.Dialect(), opts.NativeTap, true
		return p.Pass(d, s.c)
	}
	r, err := openai.DecodeChat(s.c.In)
	if err != nil {
		return nil, err
	}
	s.asked = r.IncludeUsage
	if p.Dialect() == gateway.OpenAI {
		s.newTap = openai.NewTap
		return p.Pass(d, s.c)
	}
	return p.Translate(d, s.c, r)
}

// showRequest writes what would go to the vendor, with the key hidden.
func showRequest(t *testing.T, out *bytes.Buffer, d *gateway.Deployment, req *provider.Request) {
	t.Helper()
	key := d.APIKey.Reveal()
	hide := func(s string) string {
		if key == "" {
			return s
		}
		return strings.ReplaceAll(s, key, "[key]")
	}
	u, err := url.Parse(req.URL)
	if err != nil || u.Host == "" || u.Scheme == "" {
		t.Errorf("upstream URL %q is not absolute (%v)", req.URL, err)
	} else {
		method := req.Method
		if method == "" {
			method = "POST"
		}
		fmt.Fprintf(out, "%s %s\n", method, hide(u.RequestURI()))
	}
	for _, name := range slices.Sorted(maps.Keys(req.Header)) {
		if name == "Content-Type" {
			continue
		}
		for _, v := range req.Header[name] {
			fmt.Fprintf(out, "%s: %s\n", name, hide(v))
		}
	}
	body := req.Body.Bytes()
	fmt.Fprintf(out, "%s\n", body)
	if len(body) != req.Body.Len {
		t.Errorf("upstream body has %d bytes, its Len says %d", len(body), req.Body.Len)
	}
	if !wire.Valid(body) {
		t.Errorf("upstream body is not valid JSON: %s", body)
	}
	if key != "" && (strings.Contains(req.URL, key) || bytes.Contains(body, []byte(key))) {
		t.Error("the API key is in the URL or in the body")
	}
}

// errorLine shows an error as the relay would see it.
func errorLine(err error) string {
	e := gateway.AsError(err)
	if e.Kind == gateway.Internal {
		return fmt.Sprintf("error: %v\n", e)
	}
	var more []string
	add := func(format string, v any, show bool) {
		if show {
			more = append(more, fmt.Sprintf(format, v))
		}
	}
	add("param %s", e.Param, e.Param != "")
	add("status %d", e.Status, e.Status != 0)
	add("type %s", e.Type, e.Type != "")
	add("code %s", e.Code, e.Code != "")
	add("retry after %s", e.RetryAfter, e.RetryAfter != 0)
	s := fmt.Sprintf("error: %s: %s", e.Kind, e.Message)
	if len(more) > 0 {
		s += " (" + strings.Join(more, ", ") + ")"
	}
	return s + "\n"
}

// usageLine shows what is not zero.
func usageLine(u gateway.Usage) string {
	var s strings.Builder
	s.WriteString(fmt.Sprintf("usage %d+%d", u.Prompt, u.Completion))
	for _, f := range []struct {
		name string
		n    int64
	}{
		{"cache_read", u.CacheRead},
		{"cache_write", u.CacheWrite},
		{"cache_write_1h", u.CacheWrite1h},
		{"audio_in", u.AudioIn},
		{"image_in", u.ImageIn},
		{"reasoning", u.Reasoning},
		{"audio_out", u.AudioOut},
		{"image_out", u.ImageOut},
		{"web_searches", u.WebSearches},
	} {
		if f.n != 0 {
			s.WriteString(fmt.Sprintf(" %s=%d", f.name, f.n))
		}
	}
	if u.Tier != "" {
		s.WriteString(" tier=" + u.Tier)
	}
	return s.String() + "\n"
}

// ending shows how a translated answer ended.
func ending(evs []canon.Event) string {
	s := ""
	for i := range evs {
		if ev := &evs[i]; ev.Kind == canon.EvFinish {
			s = "finish " + string(ev.Finish) + "\n"
			if ev.Native != "" && ev.Native != string(ev.Finish) {
				s = "finish " + string(ev.Finish) + " (" + ev.Native + ")\n"
			}
		}
	}
	for _, ev := range slices.Backward(evs) {
		if ev.Kind == canon.EvUsage {
			return s + usageLine(ev.Usage)
		}
	}
	return s
}
