package providertest

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing/iotest"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/wire"
	"penstock/internal/wire/openai"
)

// answer returns what the client gets, and below it what the ledger gets.
func (s *seat) answer() string {
	s.t.Helper()
	body := []byte(s.x.answer)
	switch {
	case s.x.status/100 != 2:
		return errorLine(s.p.Refusal(s.x.status, s.x.header, body))
	case s.kind == embed:
		p := s.p.(provider.Embed)
		out, used, err := p.EmbedAnswer(s.c, body)
		if err != nil {
			return errorLine(err)
		}
		s.valid(out)
		return line(out) + usageLine(used)
	case s.c.Stream:
		return s.stream()
	case s.newTap != nil:
		tap := s.newTap(wire.TapOptions{Model: s.c.Model})
		out, err := tap.Whole(bytes.Clone(body))
		if err != nil {
			return errorLine(err)
		}
		s.valid(out)
		return line(out) + seenLines(tap.Seen())
	}
	evs, err := s.p.(provider.Chat).Answer(body)
	if err != nil {
		return errorLine(err)
	}
	out := openai.NewEncoder(s.encodeOptions()).Whole(nil, evs)
	s.valid(out)
	return line(out) + ending(evs)
}

// stream plays the streamed answer, also in single bytes and cut short.
func (s *seat) stream() string {
	s.t.Helper()
	all := s.x.answer
	whole, _ := s.streamFrom(strings.NewReader(all))
	bytewise, _ := s.streamFrom(iotest.OneByteReader(strings.NewReader(all)))
	if whole != bytewise {
		s.t.Errorf("the stream read byte by byte gives another answer\n%s\ngot:\n%s\nwant:\n%s", firstDiff(bytewise, whole), bytewise, whole)
	}
	// A cut may fall anywhere. Wherever it falls, the answer is complete only
	// if its finish was seen: a cut stream must not be taken for a success.
	for _, at := range cuts(all) {
		out, st := s.streamFrom(strings.NewReader(all[:at]))
		if st.done && !st.finished {
			s.t.Errorf("stream cut at byte %d of %d counts as complete, but no finish was seen; it ends with %q\nanswer: %s", at, len(all), tail(all[:at]), out)
		}
	}
	return whole
}

// cuts returns the places to cut a stream: at each event boundary, and in the
// middle of the event before it.
func cuts(all string) []int {
	var at []int
	r := wire.NewEvents(strings.NewReader(all), maxEvent)
	end := 0
	for {
		ev, err := r.Next()
		if err != nil {
			return at
		}
		start := end + strings.Index(all[end:], string(ev.Raw))
		end = start + len(ev.Raw)
		at = append(at, start+len(ev.Raw)/2, end)
	}
}

func tail(s string) string { return s[max(0, len(s)-60):] }

// maxEvent bounds one event of a golden file, in bytes.
const maxEvent = 1 << 20

// state is how a stream ended.
type state struct{ done, finished bool }

func (s *seat) streamFrom(r io.Reader) (string, state) {
	s.t.Helper()
	if s.newTap != nil {
		return s.tapped(wire.NewEvents(r, maxEvent))
	}
	return s.translated(wire.NewEvents(r, maxEvent))
}

func (s *seat) tapped(r *wire.Events) (string, state) {
	s.t.Helper()
	var out strings.Builder
	tap := s.newTap(wire.TapOptions{Model: s.c.Model, HideUsage: !s.asked})
	st := func() state { return state{tap.Seen().Done, tap.Seen().Finish != ""} }
	for {
		ev, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			s.t.Fatalf("read upstream answer: %v", err)
		}
		b, err := tap.Event(ev)
		out.Write(b)
		if err != nil {
			return out.String() + errorLine(err) + seenLines(tap.Seen()), st()
		}
	}
	if !tap.Seen().Done {
		out.WriteString(errorLine(errCut))
	}
	return out.String() + seenLines(tap.Seen()), st()
}

func (s *seat) translated(r *wire.Events) (string, state) {
	s.t.Helper()
	var out []byte
	var seen []canon.Event
	dec, enc := s.p.(provider.Chat).Events(), openai.NewEncoder(s.encodeOptions())
	st := func() state {
		for i := range seen {
			if seen[i].Kind == canon.EvFinish {
				return state{dec.Done(), true}
			}
		}
		return state{dec.Done(), false}
	}
	for {
		ev, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			s.t.Fatalf("read upstream answer: %v", err)
		}
		if len(ev.Data) == 0 {
			continue
		}
		data := bytes.Clone(ev.Data)
		evs, err := dec.Decode(ev.Name, data, nil)
		for i := range evs {
			if evs[i].Kind == canon.EvError {
				return string(out) + errorLine(evs[i].Err) + ending(seen), st()
			}
			seen = append(seen, evs[i])
			out = enc.Event(out, &evs[i])
		}
		clear(data) // the reader reuses its buffer: a decoder must keep copies
		if err != nil {
			return string(out) + errorLine(err) + ending(seen), st()
		}
	}
	if !dec.Done() {
		return string(out) + errorLine(errCut) + ending(seen), st()
	}
	return string(enc.End(out)) + ending(seen), st()
}

// errCut is what the relay says about a stream that ends too early.
var errCut = &gateway.Error{Kind: gateway.UpstreamCut, Message: "the stream ended before its end"}

func (s *seat) encodeOptions() canon.EncodeOptions {
	return canon.EncodeOptions{Model: s.c.Model, Created: created, FallbackID: "chatcmpl-fallback", IncludeUsage: s.asked}
}

func (s *seat) valid(out []byte) {
	s.t.Helper()
	if !wire.Valid(out) {
		s.t.Errorf("the client's answer is not valid JSON: %s", out)
	}
}

func line(b []byte) string { return string(bytes.TrimSpace(b)) + "\n" }

func seenLines(s *wire.Seen) string {
	out := ""
	if s.Finish != "" {
		out = "finish " + s.Finish + "\n"
	}
	if s.HasUsage {
		out += usageLine(s.Usage)
	}
	return out
}
