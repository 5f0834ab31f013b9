package relay

import (
	"bytes"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
	"penstock/internal/wire/anthropic"
	"penstock/internal/wire/openai"
)

// dialect is what the line needs of a client's chat format. A new dialect is a
// row in dialects.
type dialect struct {
	// tap watches an answer that passes through.
	tap func(wire.TapOptions) wire.Tap
	// last reports whether the event is the dialect's end of a stream: the
	// call is on the books before the client sees it.
	last func(wire.Event) bool
	// end is what clients wait for at the end of a stream, for vendors that forget it.
	end []byte
	// request and encoder translate for vendors that speak otherwise; nil if
	// this dialect is served by its own vendor only.
	request func(*wire.Object) (*canon.Request, error)
	encoder func(canon.EncodeOptions) canon.Encoder
}

var dialects = map[gateway.Dialect]dialect{
	gateway.OpenAI: {
		tap:     func(o wire.TapOptions) wire.Tap { return openai.NewTap(o) },
		last:    func(ev wire.Event) bool { return bytes.Equal(bytes.TrimSpace(ev.Data), []byte("[DONE]")) },
		end:     []byte("data: [DONE]\n\n"),
		request: openai.DecodeChat,
		encoder: openai.NewEncoder,
	},
	gateway.Anthropic: {
		tap:  func(o wire.TapOptions) wire.Tap { return anthropic.NewTap(o) },
		last: func(ev wire.Event) bool { return ev.Name == "message_stop" },
	},
}
