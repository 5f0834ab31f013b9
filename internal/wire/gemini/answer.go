package gemini

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// response is a GenerateContentResponse: a whole answer, or one event of a stream.
type response struct {
	Candidates     []candidate    `json:"candidates"`
	PromptFeedback *feedback      `json:"promptFeedback"`
	Usage          *usage         `json:"usageMetadata"`
	ModelVersion   string         `json:"modelVersion"`
	ResponseID     string         `json:"responseId"`
	Error          jsontext.Value `json:"error"`
}

type candidate struct {
	Index         count          `json:"index"`
	Content       content        `json:"content"`
	FinishReason  string         `json:"finishReason"`
	FinishMessage string         `json:"finishMessage"`
	Safety        jsontext.Value `json:"safetyRatings"`
	Citations     jsontext.Value `json:"citationMetadata"`
	Grounding     jsontext.Value `json:"groundingMetadata"`
	URLContext    jsontext.Value `json:"urlContextMetadata"`
	Logprobs      *logprobs      `json:"logprobsResult"`
}

type content struct {
	Parts []part `json:"parts"`
}

type part struct {
	Text          string         `json:"text"`
	Thought       bool           `json:"thought"`
	Signature     string         `json:"thoughtSignature"`
	Call          *call          `json:"functionCall"`
	Inline        *blob          `json:"inlineData"`
	File          *file          `json:"fileData"`
	Code          jsontext.Value `json:"executableCode"`
	CodeExecution jsontext.Value `json:"codeExecutionResult"`
}

type call struct {
	ID   string         `json:"id"`
	Name string         `json:"name"`
	Args jsontext.Value `json:"args"`
	// Signature stands here in answers of some 2.x models.
	Signature string `json:"thoughtSignature"`
}

type blob struct {
	MIME string `json:"mimeType"`
	Data string `json:"data"`
}

type file struct {
	MIME string `json:"mimeType"`
	URI  string `json:"fileUri"`
}

type feedback struct {
	BlockReason  string         `json:"blockReason"`
	BlockMessage string         `json:"blockReasonMessage"`
	Safety       jsontext.Value `json:"safetyRatings"`
}

// count is a whole number. Proxies write some of them as strings or null; a
// number we cannot read must not cost the client its answer.
type count int64

// UnmarshalJSON implements json.Unmarshaler.
func (c *count) UnmarshalJSON(v []byte) error {
	*c = 0
	if len(v) > 2 && v[0] == '"' {
		v = v[1 : len(v)-1]
	}
	if n, ok := wire.ParseInt(v); ok && n > 0 {
		*c = count(n)
	}
	return nil
}

var lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// documents splits body into answers: it is one, or an array of them.
func documents(body []byte) ([]jsontext.Value, error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil, errors.New("empty answer")
	}
	if body[0] != '[' {
		return []jsontext.Value{body}, nil
	}
	var list []jsontext.Value
	err := json.Unmarshal(body, &list, lenient)
	return list, err
}

// read reads one answer or event.
func (r *response) read(data []byte) error {
	if err := json.Unmarshal(data, r, lenient); err != nil {
		return unreadable(err)
	}
	return nil
}

func unreadable(err error) *gateway.Error {
	return &gateway.Error{Kind: gateway.UpstreamFailed, Message: "gemini sent an answer that cannot be read", Err: err}
}

// failure returns the error inside an answer, nil if there is none.
func (r *response) failure(data []byte) *gateway.Error {
	if !given(r.Error) {
		return nil
	}
	return ParseError(0, nil, data)
}
