package openai

import (
	"strings"

	"penstock/internal/canon"
	"penstock/internal/wire"
)

func (e *requestWriter) calls(parts []canon.Part) {
	if len(parts) == 0 {
		return
	}
	e.open("tool_calls", '[')
	for i := range parts {
		p := &parts[i]
		e.open("", '{')
		e.text("id", p.ID)
		if input, ok := customInput(p.Args); ok && e.custom(p.Name) {
			e.text("type", "custom")
			e.open("custom", '{')
			e.text("name", p.Name)
			e.text("input", input)
		} else {
			e.text("type", "function")
			e.open("function", '{')
			e.text("name", p.Name)
			args := string(p.Args)
			if args == "" {
				args = "{}"
			}
			e.text("arguments", args)
		}
		e.shut('}')
		if p.Signature != "" {
			e.open("provider_specific_fields", '{')
			e.text("thought_signature", p.Signature)
			e.shut('}')
		}
		e.raw("cache_control", p.CacheControl)
		e.shut('}')
	}
	e.shut(']')
}

// customInput is the reverse of customArgs.
func customInput(args canon.Raw) (string, bool) {
	f := fieldsOf(args)
	if !f.next() || string(f.name) != "input" {
		return "", false
	}
	s, ok := wire.Unquote(f.val)
	return s, ok && !f.next()
}

// content writes parts as the content of a message: as a string where one is
// enough, because not every vendor takes parts.
func (e *requestWriter) content(parts []canon.Part) {
	switch {
	case len(parts) == 0:
		e.text("content", "")
	case len(parts) == 1 && parts[0].Kind == canon.Text && parts[0].CacheControl == nil:
		e.text("content", parts[0].Text)
	default:
		e.open("content", '[')
		for i := range parts {
			e.part(&parts[i])
		}
		e.shut(']')
	}
}

func (e *requestWriter) part(p *canon.Part) {
	e.open("", '{')
	m := p.Media
	switch {
	case m == nil && p.Kind == canon.Refusal:
		e.text("type", "refusal")
		e.text("refusal", p.Text)
	case m == nil:
		e.text("type", "text")
		e.text("text", p.Text)
	case p.Kind == canon.Image:
		e.link("image_url", m)
	case p.Kind == canon.Audio && m.Data != "":
		format := m.Format
		if format == "" {
			format = audioFormat(m.MIME)
		}
		e.text("type", "input_audio")
		e.open("input_audio", '{')
		e.text("data", m.Data)
		e.text("format", format)
		e.shut('}')
	case p.Kind == canon.Audio:
		e.link("audio_url", m)
	default:
		e.file(m)
	}
	e.raw("cache_control", p.CacheControl)
	e.shut('}')
}

func (e *requestWriter) link(kind string, m *canon.Media) {
	e.text("type", kind)
	e.open(kind, '{')
	switch {
	case m.FileID != "":
		e.text("url", m.FileID)
	default:
		e.text("url", mediaURL(m))
	}
	e.optional("detail", m.Detail)
	if m.Data == "" {
		e.optional("format", m.MIME)
	}
	e.shut('}')
}

func (e *requestWriter) file(m *canon.Media) {
	e.text("type", "file")
	e.open("file", '{')
	e.optional("filename", m.Filename)
	switch {
	case m.Data != "" && m.MIME != "":
		e.text("file_data", mediaURL(m))
	case m.Data != "":
		e.text("file_data", m.Data)
	case m.FileID != "":
		e.text("file_id", m.FileID)
	case strings.Contains(m.URL, "://"):
		e.text("file_id", m.URL) // LiteLLM's place for it
	default:
		e.text("file_url", m.URL)
	}
	if m.Data == "" {
		e.optional("format", m.MIME)
	}
	e.shut('}')
}

// audioFormat returns OpenAI's name of the format of a media type.
func audioFormat(mime string) string {
	kind, ok := strings.CutPrefix(mime, "audio/")
	switch {
	case kind == "mpeg" || kind == "mpga":
		return "mp3"
	case !ok || kind == "x-wav" || kind == "wave":
		return "wav"
	}
	return kind
}
