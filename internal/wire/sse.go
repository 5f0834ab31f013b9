package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ErrTooLong is returned for an event larger than the reader's limit: an
// upstream that never ends an event must not fill our memory.
var ErrTooLong = errors.New("event too long")

// Event is one server-sent event. Its slices are valid until the next Next.
type Event struct {
	Name string // "event:" field, "" if absent
	Data []byte // "data:" lines joined with \n; empty if there were none
	Raw  []byte // the event as it came, with its line ends
}

// Events reads server-sent events. It accepts LF, CRLF and CR line ends, data
// with and without the space, comments, several data lines, and a last event
// without its blank line. Events without data are returned too, with Raw set:
// comments keep connections alive and belong to the client.
//
// Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
type Events struct {
	r     io.Reader
	buf   []byte
	start int // of what is not yet returned
	end   int // of what has been read
	scan  int // up to here no event end was found
	max   int
	err   error
	first bool
	data  []byte // joined data lines, if there are several
}

// NewEvents returns a reader of r. max bounds one event in bytes.
func NewEvents(r io.Reader, max int) *Events {
	return &Events{r: r, max: max, buf: make([]byte, 0, 16<<10), first: true}
}

// Buffered reports whether another whole event is already here, so that a
// writer can leave the flush to it.
func (e *Events) Buffered() bool {
	n, _ := eventEnd(e.buf[e.start:e.end], 0, e.err != nil)
	return n > 0
}

// Next returns the next event. The error is io.EOF at the end, ErrTooLong, or
// what the reader said.
func (e *Events) Next() (Event, error) {
	for {
		n, scanned := eventEnd(e.buf[e.start:e.end], e.scan-e.start, e.err != nil)
		if n == 0 && e.err != nil && e.end > e.start {
			n = e.end - e.start // a last event without its blank line
		}
		if n > 0 {
			raw := e.buf[e.start : e.start+n]
			e.start += n
			e.scan = e.start
			ev := e.parse(raw)
			if len(bytes.TrimSpace(raw)) == 0 {
				continue // stray blank lines
			}
			return ev, nil
		}
		if e.err != nil {
			if errors.Is(e.err, io.EOF) {
				return Event{}, io.EOF
			}
			return Event{}, fmt.Errorf("read event stream: %w", e.err)
		}
		e.scan = e.start + scanned
		if e.end-e.start >= e.max {
			return Event{}, ErrTooLong
		}
		e.fill()
	}
}

// fill reads more into the buffer, making room first.
func (e *Events) fill() {
	if e.start > 0 && (e.start == e.end || cap(e.buf)-e.end < 1024) {
		copy(e.buf[:cap(e.buf)], e.buf[e.start:e.end])
		e.end -= e.start
		e.scan -= e.start
		e.start = 0
	}
	if e.end == cap(e.buf) {
		grown := make([]byte, 0, 2*cap(e.buf))
		copy(grown[:cap(grown)], e.buf[:e.end])
		e.buf = grown
	}
	e.buf = e.buf[:cap(e.buf)]
	n, err := e.r.Read(e.buf[e.end:])
	e.end += n
	e.err = err
}

// eventEnd returns the length of the first event in b with its blank line, 0
// if it is not complete; from is where to start looking, and scanned how far a
// later look can start. A CR at the very end may be half of a CRLF, so it ends
// a line only at the end of input.
func eventEnd(b []byte, from int, eof bool) (n, scanned int) {
	i := max(from, 0)
	for i < len(b) {
		j := bytes.IndexByte(b[i:], '\n')
		if k := bytes.IndexByte(b[i:][:max(j, 0)], '\r'); j < 0 || k >= 0 && k < j-1 {
			// CR line ends (or no LF at all): the slow way.
			return eventEndCR(b, i, eof)
		}
		i += j + 1
		switch rest := b[i:]; {
		case len(rest) == 0:
			return 0, i - 1
		case rest[0] == '\n':
			return i + 1, 0
		case rest[0] == '\r':
			if len(rest) == 1 && !eof {
				return 0, i - 1
			}
			if len(rest) > 1 && rest[1] == '\n' {
				return i + 2, 0
			}
			return i + 1, 0
		}
	}
	return 0, len(b)
}

// eventEndCR is eventEnd for text with bare CRs, from i on.
func eventEndCR(b []byte, i int, eof bool) (n, scanned int) {
	for i < len(b) {
		j := bytes.IndexAny(b[i:], "\r\n")
		if j < 0 {
			return 0, len(b) // a long line must not be searched again for every read
		}
		line := i + j
		next, ok := lineEnd(b, line, eof)
		if !ok || next >= len(b) {
			return 0, line
		}
		if b[next] == '\r' || b[next] == '\n' {
			if end, ok := lineEnd(b, next, eof); ok {
				return end, 0
			}
			return 0, line
		}
		i = next
	}
	return 0, i
}

// lineEnd returns the offset after the line end at b[i], and false if it may
// not be complete yet.
func lineEnd(b []byte, i int, eof bool) (int, bool) {
	if b[i] == '\n' {
		return i + 1, true
	}
	if i+1 == len(b) {
		return i + 1, eof
	}
	if b[i+1] == '\n' {
		return i + 2, true
	}
	return i + 1, true
}

var bom = []byte("\xef\xbb\xbf")

func (e *Events) parse(raw []byte) Event {
	ev := Event{Raw: raw}
	rest := raw
	if e.first {
		rest = bytes.TrimPrefix(rest, bom)
		e.first = false
	}
	has := false
	for len(rest) > 0 {
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line = rest[:i]
		}
		if i := bytes.IndexByte(line, '\r'); i >= 0 {
			line = line[:i]
		}
		skip := len(line)
		if skip < len(rest) {
			skip, _ = lineEnd(rest, skip, true)
		}
		rest = rest[skip:]
		switch {
		case bytes.HasPrefix(line, []byte("data:")):
			v := bytes.TrimPrefix(line[len("data:"):], []byte(" "))
			switch {
			case !has:
				ev.Data, has = v, true
			default:
				e.data = append(append(append(e.data[:0], ev.Data...), '\n'), v...)
				ev.Data = e.data
				e.data = nil
			}
		case bytes.HasPrefix(line, []byte("event:")):
			ev.Name = string(bytes.TrimPrefix(line[len("event:"):], []byte(" ")))
		}
	}
	return ev
}
