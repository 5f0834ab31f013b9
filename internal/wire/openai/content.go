package openai

import (
	"strings"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// content appends the parts of a content member, which is a string, an array
// of parts, null or absent. Empty texts say nothing and some vendors refuse
// them, so they are left out unless they mark the end of a cacheable prefix.
func content(o *object, name string, parts []canon.Part) ([]canon.Part, error) {
	v := o.raw(name)
	if v == nil {
		return parts, nil
	}
	path := o.at(name)
	switch v[0] {
	case '"':
		s, ok := wire.Unquote(v)
		if !ok {
			return nil, o.wrong(name, "a string", v)
		}
		if s != "" {
			parts = append(parts, canon.Part{Kind: canon.Text, Text: s})
		}
		return parts, nil
	case '[':
		for i, e := range elements(v) {
			if s, ok := wire.Unquote(e); ok { // a bare string among the parts
				if s != "" {
					parts = append(parts, canon.Part{Kind: canon.Text, Text: s})
				}
				continue
			}
			c, err := parseObject(e, index(path, i))
			if err != nil {
				return nil, err
			}
			p, err := part(c)
			if err != nil {
				return nil, err
			}
			if p.Kind == canon.Text && p.Text == "" && p.CacheControl == nil {
				continue
			}
			parts = append(parts, p)
		}
		return parts, nil
	}
	return nil, o.wrong(name, "a string or an array of parts", v)
}

func part(o *object) (p canon.Part, err error) {
	kind, err := o.str("type")
	if err != nil {
		return p, err
	}
	p.CacheControl = o.raw("cache_control")
	switch kind {
	case "text", "input_text", "output_text":
		p.Text, err = o.str("text")
	case "refusal":
		p.Kind = canon.Refusal
		p.Text, err = o.str("refusal")
	case "thinking":
		p.Kind = canon.Thinking
		if p.Text, err = o.str("thinking"); err == nil {
			p.Signature, err = o.str("signature")
		}
	case "redacted_thinking":
		p.Kind = canon.Redacted
		p.Text, err = o.str("data")
	case "image_url":
		p.Kind = canon.Image
		p.Media, err = linked(o, "image_url")
	case "audio_url":
		p.Kind = canon.Audio
		if p.Media, err = linked(o, "audio_url"); err == nil && p.Media.Data != "" {
			nameAudio(p.Media)
		}
	case "video_url":
		p.Kind = canon.File
		if p.Media, err = linked(o, "video_url"); err == nil {
			p.Media.Detail = "" // files have none
		}
	case "input_audio":
		p.Kind = canon.Audio
		p.Media, err = recording(o)
	case "file", "input_file":
		p.Kind = canon.File
		p.Media, err = document(o)
	case "":
		err = gateway.Invalidf(o.at("type"), "%s is missing", o.at("type"))
	default:
		err = gateway.Invalidf(o.at("type"), "%s: content of type %q is not known", o.at("type"), kind)
	}
	return p, err
}

// linked reads a part whose member is a URL, or an object with one.
func linked(o *object, name string) (*canon.Media, error) {
	v := o.raw(name)
	path := o.at(name)
	m := &canon.Media{}
	var link string
	if s, ok := wire.Unquote(v); ok {
		link = s
	} else {
		u, err := o.need(name)
		if err != nil {
			return nil, err
		}
		path = u.at("url")
		if link, err = u.str("url"); err != nil {
			return nil, err
		}
		if m.Detail, err = u.str("detail"); err != nil {
			return nil, err
		}
		// LiteLLM's way to give a type to a URL that does not tell it.
		if m.MIME, err = u.str("format"); err != nil {
			return nil, err
		}
	}
	if link == "" {
		return nil, gateway.Invalidf(path, "%s is missing", path)
	}
	return m, place(m, link, path)
}

// place puts link, which may be a data URL, into m.
func place(m *canon.Media, link, path string) error {
	rest, ok := strings.CutPrefix(link, "data:")
	if !ok {
		m.URL = link
		return nil
	}
	head, data, ok := strings.Cut(rest, ",")
	kind, params, _ := strings.Cut(head, ";")
	if !ok || params != "base64" && !strings.HasSuffix(params, ";base64") {
		return gateway.Invalidf(path, "%s must be a base64 data URL: data:TYPE;base64,DATA", path)
	}
	if data == "" {
		return gateway.Invalidf(path, "%s is an empty data URL", path)
	}
	m.Data = data
	if kind != "" {
		m.MIME = kind
	}
	return nil
}

func recording(o *object) (*canon.Media, error) {
	a, err := o.need("input_audio")
	if err != nil {
		return nil, err
	}
	m := &canon.Media{}
	if m.Data, err = a.str("data"); err != nil {
		return nil, err
	}
	if m.Data == "" {
		return nil, gateway.Invalidf(a.at("data"), "%s is missing", a.at("data"))
	}
	if m.Format, err = a.str("format"); err != nil {
		return nil, err
	}
	if strings.HasPrefix(m.Data, "data:") {
		if err := place(m, m.Data, a.at("data")); err != nil {
			return nil, err
		}
	}
	nameAudio(m)
	return m, nil
}

// nameAudio gives m both OpenAI's name of its format and the media type.
func nameAudio(m *canon.Media) {
	if m.Format == "" {
		m.Format = audioFormat(m.MIME)
	}
	m.MIME = "audio/" + m.Format
	if m.Format == "mp3" {
		m.MIME = "audio/mpeg"
	}
}

func document(o *object) (*canon.Media, error) {
	f := o
	if o.Has("file") {
		var err error
		if f, err = o.need("file"); err != nil {
			return nil, err
		}
	}
	m := &canon.Media{}
	var err error
	if m.Filename, err = f.str("filename"); err != nil {
		return nil, err
	}
	if m.MIME, err = f.str("format"); err != nil {
		return nil, err
	}
	data, err := f.str("file_data")
	if err != nil {
		return nil, err
	}
	id, err := f.str("file_id")
	if err != nil {
		return nil, err
	}
	link, err := f.str("file_url")
	if err != nil {
		return nil, err
	}
	switch {
	case strings.HasPrefix(data, "data:"):
		return m, place(m, data, f.at("file_data"))
	case data != "":
		m.Data = data
	case link != "":
		m.URL = link
	case strings.Contains(id, "://"): // LiteLLM takes a URL for an id
		m.URL = id
	case id != "":
		m.FileID = id
	default:
		return nil, gateway.Invalidf(f.path, "%s needs file_id or file_data", f.path)
	}
	return m, nil
}
