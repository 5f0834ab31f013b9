package wire

import "penstock/internal/gateway"

// Seen is what a tap has learned from an answer that passes through.
type Seen struct {
	ID        string // the vendor's id of the answer
	Model     string // the model the vendor says answered
	Finish    string // in OpenAI's words, "" if none was seen
	Usage     gateway.Usage
	HasUsage  bool
	TextBytes int  // bytes of text, reasoning and tool arguments that went by
	Done      bool // the vendor's end of the answer was seen
}

// Tap watches an answer that passes through in the client's own dialect, and
// changes no more than the model name. It holds the state of one answer and is
// used by one goroutine.
type Tap interface {
	// Event looks at one event and returns the bytes the client gets: the
	// event's own, a changed copy (valid until the next call), or nil to hold
	// it back. The error is a *gateway.Error if the event is the vendor's error.
	Event(ev Event) ([]byte, error)
	// Whole does the same for an answer that is one JSON document.
	Whole(body []byte) ([]byte, error)
	// Seen returns what has been learned so far.
	Seen() *Seen
}

// TapOptions say what the client is to see.
type TapOptions struct {
	Model     string // the name the client asked for; replaces the vendor's
	HideUsage bool   // usage was asked for by us, not by the client
}
