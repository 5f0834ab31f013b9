package openapi_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/openapi"
	"penstock/internal/openapi/openapitest"
)

type (
	inner struct {
		Hidden string `json:"name"`
		Deep   int    `json:"deep"`
	}
	sometimes struct {
		When string `json:"when"`
	}
	unknown struct {
		Rest map[string]jsontext.Value `json:",embed"`
	}
	thing struct {
		inner
		*sometimes
		unknown
		Name   *string          `json:"name"`
		At     time.Time        `json:"at,omitzero"`
		Raw    jsontext.Value   `json:"raw"`
		Kids   []thing          `json:"kids"`
		By     map[string]uint8 `json:"by"`
		Never  *struct{}        `json:"never"`
		Own    money            `json:"own"`
		Left   string           `json:"-"`
		secret string
	}
	money  int64
	opaque int64
	must   struct {
		ID   string `json:"id" openapi:"required" doc:"Which one."`
		Kind string `json:"kind"`
	}
)

func (money) MarshalJSONTo(e *jsontext.Encoder) error { return e.WriteToken(jsontext.Float(1)) }

func (money) Describe(*openapi.Schemas) *openapi.Schema { return openapi.Number(0) }

func (opaque) MarshalJSONTo(e *jsontext.Encoder) error { return e.WriteToken(jsontext.Null) }

func built(t *testing.T, ops ...openapi.Operation) (string, error) {
	t.Helper()
	d, err := openapi.New("1.2.3", ops, map[string]openapi.Hint{"kind": {Says: "Which sort.", Enum: []string{"a", "b"}}})
	raw, errJSON := json.Marshal(d)
	if errJSON != nil {
		t.Fatal(errJSON)
	}
	for _, wrong := range openapitest.Validate(raw) {
		t.Error(wrong)
	}
	return string(raw), err
}

// schemaOf returns the component, or the schema if it has no name.
func schemaOf(t *testing.T, document, name string) string {
	t.Helper()
	var d struct {
		Components struct {
			Schemas map[string]jsontext.Value `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal([]byte(document), &d); err != nil {
		t.Fatal(err)
	}
	return string(d.Components.Schemas[name])
}

func TestStructsBecomeSchemas(t *testing.T) {
	out := thing{secret: "it stays out"}
	doc, err := built(t,
		openapi.Operation{Method: "GET", Path: "/things/{id}/{rest...}", Tag: "Things", Summary: "Show.", Out: reflect.TypeOf(out)},
		openapi.Operation{Method: "POST", Path: "/things", Tag: "Things", Summary: "Make.", In: reflect.TypeFor[must](), Out: reflect.TypeFor[must]()},
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, want string }{
		{"Thing", `{"type":"object","properties":{"name":{"type":["string","null"]},"at":{"type":"string","format":"date-time"},"raw":{},` +
			`"kids":{"type":"array","items":{"$ref":"#/components/schemas/Thing"}},"by":{"type":"object","additionalProperties":{"type":"integer","minimum":0}},` +
			`"never":{"type":"null"},"own":{"type":"number","minimum":0},"deep":{"type":"integer"},"when":{"type":"string"}},` +
			`"required":["name","raw","kids","by","never","own","deep"],"additionalProperties":{}}`},
		{"Must", `{"type":"object","properties":{"id":{"type":"string","description":"Which one."},"kind":{"type":"string","description":"Which sort.","enum":["a","b"]}},"required":["id"]}`},
		{"OpenapiTestMust", `{"type":"object","properties":{"id":{"type":"string","description":"Which one."},"kind":{"type":"string"}},"required":["id","kind"]}`},
	} {
		if got := schemaOf(t, doc, row.name); got != row.want {
			t.Errorf("%s is\n%s, want\n%s", row.name, got, row.want)
		}
	}
	for _, want := range []string{
		`"/things/{id}/{rest}":{"get":{"operationId":"getThingsIdRest"`,
		`"parameters":[{"name":"id","in":"path","required":true,"schema":{"type":"string"}},{"name":"rest","in":"path"`,
		`"4XX":{"$ref":"#/components/responses/Error"},"5XX":`,
	} {
		if !strings.Contains(doc, want) {
			t.Errorf("the document does not have %s:\n%s", want, doc)
		}
	}
}

func TestABodyNeedsWhatAnOperationSays(t *testing.T) {
	doc, err := built(t, openapi.Operation{Method: "POST", Path: "/x", In: reflect.TypeFor[must](), Needs: []string{"kind"}})
	if want := `"requestBody":{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Must","required":["kind"]}}}}`; err != nil || !strings.Contains(doc, want) {
		t.Errorf("%v: the document does not have %s:\n%s", err, want, doc)
	}
	_, err = built(t, openapi.Operation{Method: "POST", Path: "/x", In: reflect.TypeFor[must](), Needs: []string{"knd"}})
	if err == nil || !strings.Contains(err.Error(), "no member knd") {
		t.Errorf("a member that is not there: %v", err)
	}
}

func TestATypeThatWritesItselfMustSayHow(t *testing.T) {
	_, err := built(t, openapi.Operation{Method: "GET", Path: "/x", Out: reflect.TypeFor[struct {
		A opaque `json:"a"`
	}]()})
	if err == nil || !strings.Contains(err.Error(), "GET /x: openapi_test.opaque writes itself") {
		t.Errorf("the error is %v", err)
	}
}

func TestTheValidatorFindsWhatIsWrong(t *testing.T) {
	const head = `{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":`
	for _, row := range []struct{ name, document, want string }{
		{"an older version", `{"openapi":"3.0.3","info":{"title":"t","version":"1"},"paths":{},"components":{}}`, "want 3.1"},
		{"a reference that leads nowhere", head + `{"/a":{"get":{"operationId":"a","responses":{"200":{"$ref":"#/components/responses/X"}}}}},"components":{}}`, "leads nowhere"},
		{"a path parameter that nobody describes", head + `{"/a/{b}":{"get":{"operationId":"a","responses":{"200":{"description":"d"}}}}},"components":{}}`, "{b} is not described"},
		{"an answer without a description", head + `{"/a":{"get":{"operationId":"a","responses":{"200":{}}}}},"components":{}}`, "description is missing"},
		{"a type that JSON does not have", head + `{},"components":{"schemas":{"A":{"type":"float"}}}}`, "no type float"},
		{"a method that HTTP does not have", head + `{"/a":{"fetch":{"operationId":"a","responses":{"200":{"description":"d"}}}}},"components":{}}`, "no field fetch"},
		{"a key that is nowhere declared", head + `{},"security":[{"k":[]}],"components":{}}`, "no security scheme k"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := strings.Join(openapitest.Validate([]byte(row.document)), "\n"); !strings.Contains(got, row.want) {
				t.Errorf("it found %q, want %q", got, row.want)
			}
		})
	}
}

func TestThePageLoadsNothingFromElsewhere(t *testing.T) {
	site := openapi.NewSite("1", nil, func() []openapi.Operation { return nil }, []openapi.Failure{{Status: 429, Type: "throttling_error", Says: "Later."}}, slog.New(slog.DiscardHandler))
	w := httptest.NewRecorder()
	site.Page().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/docs", nil))
	page := w.Body.String()
	if found := regexp.MustCompile(`(?i)(https?:)?//[a-z0-9]+\.[a-z]|@import|\burl\(|<script[^>]+src|<link[^>]+stylesheet`).FindString(page); found != "" {
		t.Errorf("the page refers to %q", found)
	}
	policy := w.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "connect-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy is %q, without %s", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(page, "/*css*/") || strings.Contains(page, "innerHTML") || len(page) > 32<<10 {
		t.Errorf("policy %q, a page of %d bytes", policy, len(page))
	}
}

func TestADocumentThatTheClientHasIsNotSentAgain(t *testing.T) {
	site := openapi.NewSite("1", nil, func() []openapi.Operation { return nil }, []openapi.Failure{{Status: 429, Type: "throttling_error", Says: "Later."}}, slog.New(slog.DiscardHandler))
	w := httptest.NewRecorder()
	site.Document().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	r := httptest.NewRequest(http.MethodGet, "/openapi.json", nil)
	r.Header.Set("If-None-Match", w.Header().Get("Etag"))
	again := httptest.NewRecorder()
	site.Document().ServeHTTP(again, r)
	if w.Code != http.StatusOK || again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("first %d, then %d with %d bytes", w.Code, again.Code, again.Body.Len())
	}
}
