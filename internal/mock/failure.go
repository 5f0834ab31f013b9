package mock

import (
	"errors"
	"net/http"
	"strconv"

	"penstock/internal/wire"
)

// failure is an error answer before it has a dialect.
type failure struct {
	status     int
	retryAfter int // seconds
	message    string
}

// says is what vendors say with a status.
type says struct {
	message         string
	openAI, code    string // OpenAI's error.type and error.code
	anthropic, grpc string // Anthropic's error.type and Google's error.status
}

var sayings = map[int]says{
	400: {"", "invalid_request_error", "", "invalid_request_error", "INVALID_ARGUMENT"},
	401: {"Incorrect API key provided: mock.", "invalid_request_error", "invalid_api_key", "authentication_error", "UNAUTHENTICATED"},
	403: {"You may not use this model.", "invalid_request_error", "access_denied", "permission_error", "PERMISSION_DENIED"},
	404: {"The model does not exist.", "invalid_request_error", "model_not_found", "not_found_error", "NOT_FOUND"},
	408: {"Request timed out.", "timeout_error", "", "timeout_error", "DEADLINE_EXCEEDED"},
	413: {"Request is too large.", "invalid_request_error", "", "request_too_large", "INVALID_ARGUMENT"},
	429: {"Rate limit reached for requests.", "requests", "rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"},
	500: {"The server had an error while processing your request.", "server_error", "", "api_error", "INTERNAL"},
	503: {"The model is overloaded.", "server_error", "", "overloaded_error", "UNAVAILABLE"},
	504: {"The answer took too long.", "server_error", "", "timeout_error", "DEADLINE_EXCEEDED"},
	529: {"Overloaded", "server_error", "", "overloaded_error", "UNAVAILABLE"},
}

// contextMessages are the vendors' words for a prompt that is too long, which
// gateways have to recognize by its text.
var contextMessages = [...]string{
	openAI:    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens. Please reduce the length of the messages.",
	anthropic: "prompt is too long: 9000 tokens > 8192 maximum",
	gemini:    "The input token count (9000) exceeds the maximum number of tokens allowed (8192).",
}

const badGateway = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>mock</center>\r\n</body>\r\n</html>\r\n"

// failure returns f's body in the dialect's form.
func (d dialect) failure(dst []byte, f failure) []byte {
	s, ok := sayings[f.status]
	if !ok {
		class := 400
		if f.status >= 500 {
			class = 500
		}
		s = sayings[class]
		s.message = "Failed with status " + strconv.Itoa(f.status) + " as the script says."
	}
	if f.message == "" {
		f.message = s.message
		if f.status == http.StatusBadRequest {
			f.message, s.code = contextMessages[d], "context_length_exceeded"
		}
	}
	switch d {
	case anthropic:
		dst = append(dst, `{"type":"error","error":{"type":"`+s.anthropic+`","message":`...)
		dst = wire.AppendString(dst, f.message)
		return append(dst, `},"request_id":"req_mock"}`...)
	case gemini:
		dst = append(dst, `{"error":{"code":`...)
		dst = strconv.AppendInt(dst, int64(f.status), 10)
		dst = append(dst, `,"message":`...)
		dst = wire.AppendString(dst, f.message)
		dst = append(dst, `,"status":"`+s.grpc+`"`...)
		if f.retryAfter > 0 {
			dst = append(dst, `,"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"`...)
			dst = strconv.AppendInt(dst, int64(f.retryAfter), 10)
			dst = append(dst, `s"}]`...)
		}
		return append(dst, `}}`...)
	case openAI:
	}
	dst = append(dst, `{"error":{"message":`...)
	dst = wire.AppendString(dst, f.message)
	dst = append(dst, `,"type":"`+s.openAI+`","param":`...)
	if s.code == "context_length_exceeded" {
		dst = append(dst, `"messages","code":"`+s.code+`"}}`...)
	} else if s.code != "" {
		dst = append(dst, `null,"code":"`+s.code+`"}}`...)
	} else {
		dst = append(dst, `null,"code":null}}`...)
	}
	return dst
}

// fail sends f.
func (x *exchange) fail(w http.ResponseWriter, f failure) Outcome {
	h := w.Header()
	h["Content-Type"] = typeJSON
	if f.status == http.StatusBadGateway && f.message == "" {
		h["Content-Type"] = []string{"text/html"}
		x.out = append(x.out[:0], badGateway...)
	} else {
		x.out = x.dialect.failure(x.out[:0], f)
	}
	if f.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(f.retryAfter))
	}
	h.Set("Content-Length", strconv.Itoa(len(x.out)))
	w.WriteHeader(f.status)
	if _, err := w.Write(x.out); err != nil {
		return Cancelled
	}
	return Refused
}

// readFailed answers a request whose body could not be read.
func (x *exchange) readFailed(w http.ResponseWriter, err error) Outcome {
	if errors.Is(err, errTooLarge) {
		return x.fail(w, failure{status: http.StatusRequestEntityTooLarge})
	}
	return Cancelled
}

// midError appends the event by which a provider gives up in the middle of a
// stream.
func (x *exchange) midError() {
	f := failure{status: http.StatusInternalServerError}
	switch x.dialect {
	case anthropic:
		x.str("event: error\ndata: ")
		f.status = 529
		x.out = anthropic.failure(x.out, f)
		x.str("\n\n")
	case gemini:
		f.status = http.StatusServiceUnavailable
		x.geminiOpen()
		x.out = gemini.failure(x.out, f)
		x.geminiClose()
		if x.array {
			x.str("]")
		}
	case openAI:
		x.str("data: ")
		x.out = openAI.failure(x.out, f)
		x.str("\n\n")
	}
}
