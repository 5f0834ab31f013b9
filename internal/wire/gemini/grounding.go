package gemini

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"penstock/internal/canon"
)

// groundingMetadata says which web pages support which piece of the text.
type groundingMetadata struct {
	Queries []string `json:"webSearchQueries"`
	Chunks  []struct {
		Web *struct {
			URI   string `json:"uri"`
			Title string `json:"title"`
		} `json:"web"`
	} `json:"groundingChunks"`
	Supports []struct {
		Segment struct {
			Start count `json:"startIndex"`
			End   count `json:"endIndex"`
		} `json:"segment"`
		Chunks []count `json:"groundingChunkIndices"`
	} `json:"groundingSupports"`
}

// ground tells the citations of a candidate and counts its searches.
func (d *Decoder) ground(n int, out []canon.Event) []canon.Event {
	ch := &d.choices[n]
	if ch.grounding == nil {
		return out
	}
	out = append(out, extra(n, "vertex_ai_grounding_metadata", ch.grounding))
	var g groundingMetadata
	if err := json.Unmarshal(ch.grounding, &g, lenient); err != nil {
		return out // the client has the raw object; its answer is worth more
	}
	d.web += g.searches(d.model)
	for _, s := range g.Supports {
		for _, i := range s.Chunks {
			if int(i) >= len(g.Chunks) || g.Chunks[i].Web == nil {
				continue
			}
			web := g.Chunks[i].Web
			var w writer
			w.open('{')
			w.key("type")
			w.str("url_citation")
			w.key("url_citation")
			w.open('{')
			w.key("start_index")
			w.int(characters(ch.text, int(s.Segment.Start)))
			w.key("end_index")
			w.int(characters(ch.text, int(s.Segment.End)))
			w.key("url")
			w.str(web.URI)
			w.key("title")
			w.str(web.Title)
			w.b = append(w.b, "}}"...)
			out = append(out, canon.Event{Kind: canon.EvAnnotation, Choice: n, Raw: w.b})
		}
	}
	return out
}

// searches returns how many searches are billed: up to 2.5 a grounded answer
// counts once, from 3 on each query counts.
func (g *groundingMetadata) searches(name string) int64 {
	m := parseModel(name)
	if m.since(3, 0) {
		return int64(len(g.Queries))
	}
	return int64(min(len(g.Queries), 1))
}

// characters turns the vendor's offset in bytes into OpenAI's in characters.
func characters(text []byte, offset int) int64 {
	if offset > len(text) {
		return int64(utf8.RuneCount(text) + offset - len(text))
	}
	return int64(utf8.RuneCount(text[:offset]))
}

// logprobs are the probabilities of the tokens of a candidate.
type logprobs struct {
	Chosen []tokenProb `json:"chosenCandidates"`
	Top    []struct {
		Candidates []tokenProb `json:"candidates"`
	} `json:"topCandidates"`
}

type tokenProb struct {
	Token string `json:"token"`
	Prob  number `json:"logProbability"`
}

// number is a number whose digits are kept.
type number []byte

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(v []byte) error {
	*n = bytes.Clone(v)
	return nil
}

// openAI returns l as OpenAI's logprobs object, nil if there are none.
func (l *logprobs) openAI() canon.Raw {
	if l == nil || len(l.Chosen) == 0 {
		return nil
	}
	var w writer
	w.open('{')
	w.key("content")
	w.open('[')
	for i := range l.Chosen {
		w.open('{')
		l.Chosen[i].append(&w)
		w.key("top_logprobs")
		w.open('[')
		if i < len(l.Top) {
			for j := range l.Top[i].Candidates {
				w.open('{')
				l.Top[i].Candidates[j].append(&w)
				w.close('}')
			}
		}
		w.close(']')
		w.close('}')
	}
	w.close(']')
	w.key("refusal")
	w.raw([]byte("null"))
	w.close('}')
	return w.b
}

func (t *tokenProb) append(w *writer) {
	w.key("token")
	w.str(t.Token)
	w.key("logprob")
	if len(t.Prob) > 0 && (t.Prob[0] == '-' || t.Prob[0] >= '0' && t.Prob[0] <= '9') {
		w.raw(t.Prob)
	} else {
		w.int(0) // the vendor leaves zeros out
	}
	w.key("bytes")
	w.open('[')
	for i := range len(t.Token) {
		w.int(int64(t.Token[i]))
	}
	w.close(']')
}
