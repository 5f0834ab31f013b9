package gemini

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"path"
	"strings"

	"penstock/internal/canon"
	"penstock/internal/gateway"
)

// filesHost serves the Files API; its URIs are read by the vendor itself.
const filesHost = "generativelanguage.googleapis.com"

// mimes names the types of the files that Gemini reads, by extension. The
// table of the operating system is not used: it differs between machines.
var mimes = map[string]string{
	"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif",
	"heic": "image/heic", "heif": "image/heif",
	"wav": "audio/wav", "mp3": "audio/mp3", "aiff": "audio/aiff", "aac": "audio/aac", "ogg": "audio/ogg",
	"flac": "audio/flac", "m4a": "audio/m4a", "opus": "audio/opus", "pcm16": "audio/pcm",
	"mp4": "video/mp4", "mpeg": "video/mpeg", "mpg": "video/mpg", "mov": "video/mov", "avi": "video/avi",
	"flv": "video/x-flv", "webm": "video/webm", "wmv": "video/wmv", "3gp": "video/3gpp",
	"pdf": "application/pdf", "txt": "text/plain", "md": "text/md", "csv": "text/csv", "html": "text/html",
	"css": "text/css", "xml": "text/xml", "rtf": "text/rtf", "json": "application/json",
	"js": "text/javascript", "py": "text/x-python",
}

// media writes an inlineData or a fileData part. Nothing is downloaded.
func (e *encoder) media(p *canon.Part, param string) error {
	m := p.Media
	if m == nil {
		return gateway.Invalidf(param, "content without data")
	}
	var write func()
	switch {
	case m.Data != "":
		mime := mimeOf(m, "")
		if mime == "" {
			mime = sniff(m.Data)
		}
		if mime == "" {
			return gateway.Invalidf(param, "the type of the data is unknown; send it as a data URL that says its MIME type")
		}
		write = func() { e.inline(mime, m.Data) }
	case strings.HasPrefix(m.URL, "data:"):
		head, data, ok := strings.Cut(m.URL[len("data:"):], ",")
		mime, isBase64 := strings.CutSuffix(head, ";base64")
		mime, _, _ = strings.Cut(mime, ";")
		if !ok || !isBase64 || mime == "" {
			return gateway.Invalidf(param, "want a data URL of the form data:<MIME type>;base64,<data>")
		}
		write = func() { e.inline(cleanMIME(mime), data) }
	case m.URL != "":
		mime, err := e.fileMIME(m, param)
		if err != nil {
			return err
		}
		write = func() { e.file(mime, m.URL) }
	case strings.HasPrefix(m.FileID, "gs://"), strings.HasPrefix(m.FileID, "https://"):
		ref := *m
		ref.URL, ref.FileID = m.FileID, ""
		mime, err := e.fileMIME(&ref, param)
		if err != nil {
			return err
		}
		write = func() { e.file(mime, ref.URL) }
	case strings.HasPrefix(m.FileID, "files/") && !e.o.Vertex:
		write = func() { e.file(mimeOf(m, ""), "https://"+filesHost+"/v1beta/"+m.FileID) }
	default:
		return gateway.Invalidf(param, "file id %q is not Google's; want files/…, a gs:// URI, or the data itself", m.FileID)
	}
	if p.Kind == canon.Image {
		e.details = append(e.details, level(m.Detail))
	}
	e.w.open('{')
	write()
	if l := level(m.Detail); p.Kind == canon.Image && l != "" && e.m.since(3, 0) {
		e.w.key("mediaResolution")
		e.w.open('{')
		e.w.key("level")
		e.w.str(l)
		e.w.close('}')
	}
	e.w.close('}')
	return nil
}

func (e *encoder) inline(mime, data string) {
	e.w.key("inlineData")
	e.w.open('{')
	e.w.key("mimeType")
	e.w.str(mime)
	e.w.key("data")
	e.w.str(data)
	e.w.close('}')
}

func (e *encoder) file(mime, uri string) {
	e.w.key("fileData")
	e.w.open('{')
	if mime != "" {
		e.w.key("mimeType")
		e.w.str(mime)
	}
	e.w.key("fileUri")
	e.w.str(uri)
	e.w.close('}')
}

// fileMIME checks that the vendor reads m.URL by itself and returns the MIME
// type to send, "" if the vendor finds it out.
func (e *encoder) fileMIME(m *canon.Media, param string) (string, error) {
	u, err := url.Parse(m.URL)
	if err != nil {
		return "", gateway.Invalidf(param, "not a URL")
	}
	mime := mimeOf(m, u.Path)
	switch {
	case u.Scheme == "gs", u.Scheme == "https" && u.Host == filesHost && strings.Contains(u.Path, "/files/"):
		return mime, nil
	case u.Scheme == "https" && youtube(u.Hostname()):
		return "", nil
	case u.Scheme != "https":
		return "", gateway.Invalidf(param, "gemini reads gs:// and https:// URLs only; send the data as a data URL")
	case e.o.Vertex && mime == "":
		return "", gateway.Invalidf(param, "the URL does not tell its MIME type, which Vertex AI needs; name it in the format field")
	case e.o.Vertex, e.m.since(2, 5):
		// Google fetches public URLs itself, except for models up to 2.0.
		// See https://ai.google.dev/gemini-api/docs/file-input-methods
		return mime, nil
	}
	return "", gateway.Invalidf(param, "remote files are not fetched for model %s; send the data as a data URL, or a gs:// or Files API URI", e.o.Model)
}

func youtube(host string) bool {
	switch strings.ToLower(host) {
	case "youtube.com", "www.youtube.com", "m.youtube.com", "youtu.be":
		return true
	}
	return false
}

func mimeOf(m *canon.Media, urlPath string) string {
	if m.MIME != "" {
		return cleanMIME(m.MIME)
	}
	if mime := mimes[strings.ToLower(m.Format)]; mime != "" {
		return mime
	}
	if strings.Contains(m.Format, "/") {
		return cleanMIME(m.Format)
	}
	for _, name := range []string{m.Filename, urlPath} {
		if ext := strings.TrimPrefix(path.Ext(name), "."); ext != "" {
			if mime := mimes[strings.ToLower(ext)]; mime != "" {
				return mime
			}
		}
	}
	return ""
}

// cleanMIME corrects names that clients use and the vendor does not list.
func cleanMIME(mime string) string {
	switch strings.ToLower(mime) {
	case "image/jpg":
		return "image/jpeg"
	case "audio/mpeg":
		return "audio/mp3"
	case "audio/x-wav", "audio/wave", "audio/vnd.wave":
		return "audio/wav"
	}
	return mime
}

// sniff guesses the type from the first bytes, "" if they tell nothing.
func sniff(data string) string {
	head := make([]byte, 384)
	n, err := base64.StdEncoding.Decode(head, []byte(data[:min(len(data)/4*4, 512)]))
	if err != nil || n == 0 {
		return ""
	}
	mime, _, _ := strings.Cut(http.DetectContentType(head[:n]), ";")
	if mime == "application/octet-stream" || mime == "text/plain" {
		return ""
	}
	return cleanMIME(mime)
}

// level returns the vendor's word for an OpenAI image detail, "" for its own choice.
func level(detail string) string {
	switch detail {
	case "low":
		return "MEDIA_RESOLUTION_LOW"
	case "medium":
		return "MEDIA_RESOLUTION_MEDIUM"
	case "high", "original":
		return "MEDIA_RESOLUTION_HIGH"
	}
	return ""
}

// resolution sets one resolution for the whole request where parts cannot have
// their own. It is set only if every image asks for the same: the others
// would change too.
func (e *encoder) resolution() {
	if e.m.since(3, 0) || e.m.gemma || len(e.details) == 0 || e.gen.has("mediaResolution") {
		return
	}
	for _, l := range e.details {
		if l == "" || l != e.details[0] {
			return
		}
	}
	e.gen.setString("mediaResolution", e.details[0])
}
