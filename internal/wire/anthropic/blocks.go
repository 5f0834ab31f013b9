package anthropic

import (
	"encoding/base64"
	"path"
	"strings"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// appendTurns appends the messages array.
func (e *encoder) appendTurns(b []byte, turns []turn) ([]byte, error) {
	b = append(b, '[')
	for i := range turns {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"role":"`...)
		b = append(b, turns[i].role...)
		b = append(b, `","content":[`...)
		for k := range turns[i].blocks {
			if k > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = e.appendBlock(b, &turns[i].blocks[k]); err != nil {
				return nil, err
			}
		}
		b = append(b, "]}"...)
	}
	return append(b, ']'), nil
}

func (e *encoder) appendBlock(b []byte, k *block) (_ []byte, err error) {
	switch p := k.part; p.Kind {
	case canon.Text, canon.Refusal:
		b = append(b, `{"type":"text","text":`...)
		b = wire.AppendString(b, k.text)
	case canon.Thinking:
		b = append(b, `{"type":"thinking","thinking":`...)
		b = wire.AppendString(b, p.Text)
		b = appendText(b, "signature", p.Signature)
	case canon.Redacted:
		b = append(b, `{"type":"redacted_thinking","data":`...)
		b = wire.AppendString(b, p.Text)
	case canon.ToolCall:
		name, ok := EscapeName(p.Name)
		if !ok {
			return nil, gateway.Invalidf(at(k.where, "tool_calls"), "anthropic cannot take the tool name %q: it is empty or too long", p.Name)
		}
		b = append(b, `{"type":"tool_use","id":`...)
		b = wire.AppendString(b, k.id)
		b = appendText(b, "name", name)
		input := p.Args
		switch {
		case !given(input):
			input = canon.Raw("{}")
		case !isObject(input):
			return nil, gateway.Invalidf(at(k.where, "tool_calls"), "the arguments of tool call %q are not a JSON object", p.ID)
		}
		b = appendMember(b, "input", input)
	case canon.ToolResult:
		b = append(b, `{"type":"tool_result","tool_use_id":`...)
		b = wire.AppendString(b, k.id)
		if b, err = e.appendResult(appendName(b, "content"), k); err != nil {
			return nil, err
		}
		if p.IsError {
			b = append(b, `,"is_error":true`...)
		}
	case canon.Image, canon.File:
		if b, err = e.appendMedia(b, p.Media, p.Kind, k.where); err != nil {
			return nil, err
		}
	default:
		return nil, gateway.Invalidf(at(k.where, "content"), "anthropic takes no audio: send text, images or documents")
	}
	return append(e.appendCache(b, k.cache), '}'), nil
}

// appendCache appends a cache mark if there is one.
func (e *encoder) appendCache(b []byte, mark canon.Raw) []byte {
	if !given(mark) {
		return b
	}
	e.marks++
	return appendMember(b, "cache_control", mark)
}

// appendResult appends the content of a tool result: a string if it is one text.
func (e *encoder) appendResult(b []byte, k *block) (_ []byte, err error) {
	parts := k.part.Parts
	switch {
	case len(parts) == 0:
		return append(b, `""`...), nil
	case len(parts) == 1 && parts[0].Kind == canon.Text:
		return wire.AppendString(b, parts[0].Text), nil
	}
	b = append(b, '[')
	for i := range parts {
		p := &parts[i]
		if p.Kind == canon.Text && blank(p.Text) {
			continue
		}
		if b[len(b)-1] != '[' {
			b = append(b, ',')
		}
		switch p.Kind {
		case canon.Text, canon.Refusal:
			b = append(b, `{"type":"text","text":`...)
			b = append(wire.AppendString(b, p.Text), '}')
		case canon.Image, canon.File:
			if b, err = e.appendMedia(b, p.Media, p.Kind, k.where); err != nil {
				return nil, err
			}
			b = append(b, '}')
		default:
			return nil, gateway.Invalidf(at(k.where, "content"), "anthropic takes only text, images and documents in a tool result")
		}
	}
	return append(b, ']'), nil
}

// appendMedia appends an image or document block without its closing brace.
func (e *encoder) appendMedia(b []byte, m *canon.Media, kind canon.PartKind, where int) ([]byte, error) {
	field := at(where, "content")
	if m == nil {
		return nil, gateway.Invalidf(field, "an image or file part says neither data nor where it is")
	}
	mime := mediaType(m, kind)
	image := strings.HasPrefix(mime, "image/") || mime == "" && kind == canon.Image
	if m.FileID != "" {
		e.beta(betaFiles)
		block := "document"
		switch {
		case image:
			block = "image"
		case mime != "" && mime != "application/pdf" && mime != "text/plain":
			b = append(b, `{"type":"container_upload","file_id":`...)
			return wire.AppendString(b, m.FileID), nil
		}
		b = append(append(append(b, `{"type":"`...), block...), `","source":{"type":"file","file_id":`...)
		b = append(wire.AppendString(b, m.FileID), '}')
		return e.appendTitle(b, m, image), nil
	}
	if m.URL != "" {
		if !strings.HasPrefix(m.URL, "https://") {
			return nil, gateway.Invalidf(field, "anthropic fetches https URLs only: send an https URL, or the data itself in a data URL")
		}
		block := "document"
		if image {
			block = "image"
		}
		b = append(append(append(b, `{"type":"`...), block...), `","source":{"type":"url","url":`...)
		b = append(wire.AppendString(b, m.URL), '}')
		return e.appendTitle(b, m, image), nil
	}
	switch mime {
	case "image/jpeg", "image/png", "image/gif", "image/webp":
		b = append(b, `{"type":"image","source":{"type":"base64","media_type":"`...)
		b = append(append(b, mime...), `","data":`...)
		return append(wire.AppendString(b, m.Data), '}'), nil
	case "application/pdf":
		b = append(b, `{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":`...)
		b = append(wire.AppendString(b, m.Data), '}')
		return e.appendTitle(b, m, false), nil
	}
	if textual(mime) {
		text, err := base64.StdEncoding.DecodeString(m.Data)
		if err != nil {
			return nil, gateway.Invalidf(field, "the data of file %q is not valid base64", m.Filename)
		}
		b = append(b, `{"type":"document","source":{"type":"text","media_type":"text/plain","data":`...)
		b = append(wire.AppendString(b, string(text)), '}')
		return e.appendTitle(b, m, false), nil
	}
	if mime == "" {
		return nil, gateway.Invalidf(field, "the type of the data is not known: send a data URL that names it, e.g. data:image/png;base64,…")
	}
	return nil, gateway.Invalidf(field, "anthropic takes no %s: send JPEG, PNG, GIF or WebP images, PDF or text documents", mime)
}

func (e *encoder) appendTitle(b []byte, m *canon.Media, image bool) []byte {
	if image || m.Filename == "" {
		return b
	}
	return appendText(b, "title", m.Filename)
}

// mediaType returns the media type of m, found out from its first bytes or its
// name if the client did not say it; "" if unknown.
func mediaType(m *canon.Media, kind canon.PartKind) string {
	mime, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(m.MIME)), ";")
	switch mime {
	case "", "application/octet-stream", "image/*":
	case "image/jpg", "image/pjpeg":
		return "image/jpeg"
	default:
		return mime
	}
	for _, f := range magics {
		if strings.HasPrefix(m.Data, f.start) {
			return f.mime
		}
	}
	if kind != canon.File {
		return ""
	}
	name := m.Filename
	if name == "" {
		name, _, _ = strings.Cut(m.URL, "?")
	}
	return byExtension[strings.ToLower(path.Ext(name))]
}

// magics are the first bytes of files, in base64.
var magics = []struct{ start, mime string }{
	{"iVBORw0KGgo", "image/png"},
	{"/9j/", "image/jpeg"},
	{"R0lGOD", "image/gif"},
	{"UklGR", "image/webp"},
	{"JVBERi0", "application/pdf"},
}

var byExtension = map[string]string{
	".pdf": "application/pdf", ".txt": "text/plain", ".md": "text/markdown", ".html": "text/html",
	".json": "application/json", ".xml": "application/xml", ".png": "image/png", ".jpg": "image/jpeg",
	".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp", ".csv": "text/csv",
}

func textual(mime string) bool {
	return strings.HasPrefix(mime, "text/") || mime == "application/json" || mime == "application/xml"
}
