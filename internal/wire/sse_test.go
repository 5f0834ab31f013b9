package wire_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"penstock/internal/wire"
)

func read(t *testing.T, r io.Reader, max int) (string, error) {
	t.Helper()
	events := wire.NewEvents(r, max)
	var out []string
	for {
		ev, err := events.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return strings.Join(out, "|"), err
		}
		out = append(out, ev.Name+"/"+string(ev.Data))
	}
}

func TestEvents(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"one", "data: a\n\n", "/a"},
		{"no space", "data:a\n\n", "/a"},
		{"only the first space goes", "data:  a\n\n", "/ a"},
		{"named", "event: ping\ndata: {}\n\n", "ping/{}"},
		{"several data lines", "data: a\ndata: b\ndata: c\n\n", "/a\nb\nc"},
		{"CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", "/a|/b"},
		{"CR", "data: a\r\rdata: b\r\r", "/a|/b"},
		{"mixed", "data: a\r\n\ndata: b\n\r\n", "/a|/b"},
		{"a comment is an event without data", ": hi\n\ndata: a\n\n", "/|/a"},
		{"comment inside", ": hi\ndata: a\n\n", "/a"},
		{"id and retry", "id: 1\nretry: 5\ndata: a\n\n", "/a"},
		{"BOM", "\xef\xbb\xbfdata: a\n\n", "/a"},
		{"last without blank line", "data: a\n\ndata: b", "/a|/b"},
		{"blank lines", "\n\n\ndata: a\n\n\n\n", "/a"},
		{"nothing", "", ""},
		{"larger than the first buffer", "data: " + strings.Repeat("x", 100_000) + "\n\ndata: b\n\n", "/" + strings.Repeat("x", 100_000) + "|/b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for how, r := range map[string]io.Reader{
				"whole": strings.NewReader(tt.in), "byte by byte": iotest.OneByteReader(strings.NewReader(tt.in)), "data with error": iotest.DataErrReader(strings.NewReader(tt.in)),
			} {
				if got, err := read(t, r, 1<<20); err != nil || got != tt.want {
					t.Errorf("%s: %.80q, %v; want %.80q", how, got, err, tt.want)
				}
			}
		})
	}
	if _, err := read(t, strings.NewReader("data: "+strings.Repeat("x", 100_000)), 50_000); !errors.Is(err, wire.ErrTooLong) {
		t.Errorf("an endless event: %v, want ErrTooLong", err)
	}
	if _, err := read(t, iotest.ErrReader(io.ErrUnexpectedEOF), 100); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a broken reader: %v", err)
	}
}

// However the bytes arrive, the events are the same, and no byte is lost.
func FuzzEvents(f *testing.F) {
	f.Add("data: a\n\nevent: x\r\ndata: {\"a\":1}\r\n\r\n: c\r\r")
	f.Fuzz(func(t *testing.T, in string) {
		whole, err1 := read(t, strings.NewReader(in), 1<<16)
		bytewise, err2 := read(t, iotest.OneByteReader(strings.NewReader(in)), 1<<16)
		if whole != bytewise || (err1 == nil) != (err2 == nil) {
			t.Errorf("%q read whole is %q (%v), byte by byte %q (%v)", in, whole, err1, bytewise, err2)
		}
		events := wire.NewEvents(strings.NewReader(in), 1<<16)
		n := 0
		for {
			ev, err := events.Next()
			if err != nil {
				break
			}
			n += len(ev.Raw)
		}
		if n > len(in) {
			t.Errorf("%d bytes of events from %d", n, len(in))
		}
	})
}

func BenchmarkEvents(b *testing.B) {
	in := strings.Repeat("data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n", 200)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		events := wire.NewEvents(strings.NewReader(in), 1<<16)
		for {
			if _, err := events.Next(); err != nil {
				break
			}
		}
	}
}
