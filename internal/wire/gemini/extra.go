package gemini

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json"

	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// generation are members of generationConfig that a client may also give at
// the top level, by their snake_case names and by the vendor's.
var generation = map[string]string{
	"response_mime_type": "responseMimeType", "response_schema": "responseSchema",
	"response_json_schema": "responseJsonSchema", "response_modalities": "responseModalities",
	"media_resolution": "mediaResolution", "speech_config": "speechConfig",
	"thinking_config": "thinkingConfig", "image_config": "imageConfig",
	"audio_timestamp": "audioTimestamp", "max_output_tokens": "maxOutputTokens",
	"stop_sequences": "stopSequences", "top_k": "topK",
	"enable_enhanced_civic_answers": "enableEnhancedCivicAnswers", "routing_config": "routingConfig",
}

// topLevel are members of the request itself.
var topLevel = map[string]string{
	"safety_settings": "safetySettings", "cached_content": "cachedContent", "tool_config": "toolConfig",
}

// harmless are parameters that change nothing about the answer.
var harmless = map[string]bool{
	"metadata": true, "store": true, "stream_options": true, "safety_identifier": true,
	"prompt_cache_key": true, "prompt_cache_retention": true,
}

// known finds name in a table by its snake_case or camelCase form.
func known(table map[string]string, name string) (string, bool) {
	if camel, ok := table[name]; ok {
		return camel, true
	}
	for _, camel := range table {
		if camel == name {
			return camel, true
		}
	}
	return "", false
}

// extras places the parameters that are not part of the canonical form.
func (e *encoder) extras(params []gateway.Param) error {
	for _, p := range params {
		if !given(bytes.TrimSpace(p.Value)) {
			continue
		}
		if err := e.extra(p); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder) extra(p gateway.Param) error {
	if name, ok := known(generation, p.Name); ok {
		e.gen.set(name, p.Value)
		return nil
	}
	if name, ok := known(topLevel, p.Name); ok {
		e.rest.set(name, p.Value)
		return nil
	}
	if harmless[p.Name] {
		e.drop(p.Name)
		return nil
	}
	switch p.Name {
	case "modalities":
		return e.modalities(p.Value)
	case "audio":
		return e.speech(p.Value)
	case "web_search_options":
		return e.webSearch(p.Value)
	case "generation_config", "generationConfig":
		return e.members(p, func(m gateway.Param) error {
			name := m.Name
			if camel, ok := generation[name]; ok {
				name = camel
			}
			if name == "candidateCount" || name == "candidate_count" {
				// Limits and prices count the choices that the canonical form has.
				e.lacks(p.Name+"."+name, "use n")
				return nil
			}
			e.gen.set(name, m.Value)
			return nil
		})
	case "labels":
		if e.o.Vertex || e.lacks(p.Name, "only Vertex AI has labels") {
			e.rest.set(p.Name, p.Value)
		}
		return nil
	}
	why := ""
	if p.Name == "candidateCount" || p.Name == "candidate_count" {
		why = "use n"
	}
	if e.lacks(p.Name, why) {
		e.rest.set(p.Name, p.Value)
	}
	return nil
}

// members calls f for every member of an object parameter that is not null.
func (e *encoder) members(p gateway.Param, f func(gateway.Param) error) error {
	var o wire.Object
	if err := o.Parse(p.Value); err != nil {
		return gateway.Invalidf(p.Name, "%s: %v", p.Name, err)
	}
	for _, m := range o.Members {
		v := o.Body[m.Start:m.End]
		if !given(v) {
			continue
		}
		if err := f(gateway.Param{Name: m.Name, Value: v}); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder) modalities(v []byte) error {
	var names []string
	if err := json.Unmarshal(v, &names); err != nil {
		return gateway.Invalidf("modalities", "want modalities as a list of strings")
	}
	var w writer
	w.open('[')
	for _, name := range names {
		w.str(strings.ToUpper(name))
	}
	w.close(']')
	e.gen.set("responseModalities", w.b)
	return nil
}

// speech translates OpenAI's audio parameter. The vendor sends PCM only.
func (e *encoder) speech(v []byte) error {
	var a struct {
		Voice  string `json:"voice"`
		Format string `json:"format"`
	}
	if err := json.Unmarshal(v, &a); err != nil {
		return gateway.Invalidf("audio", "want audio as {\"voice\":…,\"format\":\"pcm16\"}")
	}
	if a.Format != "" && a.Format != "pcm16" {
		e.lacks("audio.format", "gemini speaks pcm16 only")
	}
	if a.Voice == "" {
		return nil
	}
	var w writer
	w.open('{')
	w.key("voiceConfig")
	w.open('{')
	w.key("prebuiltVoiceConfig")
	w.open('{')
	w.key("voiceName")
	w.str(a.Voice)
	w.b = append(w.b, "}}}"...)
	e.gen.set("speechConfig", w.b)
	return nil
}

// webSearch turns the search on; the vendor's own has no settings.
func (e *encoder) webSearch(v []byte) error {
	e.search = true
	return e.members(gateway.Param{Name: "web_search_options", Value: v}, func(m gateway.Param) error {
		e.drop("web_search_options." + m.Name)
		return nil
	})
}
