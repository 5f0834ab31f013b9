package api

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/token"
	"penstock/internal/wire"
)

// refusedMember reports whether a client may not set the member: where the
// gateway connects to, with whose credentials, and at what price.
func refusedMember(name string) bool {
	switch name {
	case "api_base", "base_url", "api_key", "model_list", "user_config", "azure_ad_token", "vertex_credentials", "vertex_ai_credentials",
		"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_session_name", "aws_profile_name", "aws_role_name",
		"aws_web_identity_token", "aws_sts_endpoint", "aws_bedrock_runtime_endpoint", "s3_endpoint_url", "sagemaker_base_url", "deployment_url",
		"litellm_credential_name", "langfuse_host", "langfuse_public_key", "langfuse_secret", "langfuse_secret_key", "langsmith_api_key", "langsmith_base_url",
		"nvcf_function_id", "use_ssl", "input_cost_per_token", "output_cost_per_token", "input_cost_per_second", "output_cost_per_second",
		"cache_read_input_token_cost", "cache_creation_input_token_cost":
		return true
	}
	return false
}

// refusedIn are members whose own members go the same way as the body's.
var refusedIn = [...]string{"metadata", "litellm_metadata", "extra_body", "litellm_embedding_config", "litellm_params"}

// refuseMembers refuses a body that says where to call, as whom or at what price.
func refuseMembers(in *wire.Object) error {
	for i := range in.Members {
		if name := in.Members[i].Name; refusedMember(name) {
			return refused(name)
		}
	}
	for _, outer := range refusedIn {
		v := in.Get(outer)
		if len(v) <= 2 || v[0] != '{' {
			continue // what is no object is refused by who reads it
		}
		var o wire.Object                  // here: most calls have none, and pay for none
		if err := o.Parse(v); err != nil { // a member that stands twice
			return gateway.Invalidf(outer, "'%s' cannot be read: %v", outer, err)
		}
		for i := range o.Members {
			if name := o.Members[i].Name; refusedMember(name) {
				return refused(outer + "." + name)
			}
		}
	}
	return nil
}

func refused(name string) *gateway.Error {
	return &gateway.Error{
		Kind: gateway.Unauthenticated, Type: "auth_error", Param: "None",
		Message: fmt.Sprintf("Authentication Error, Rejected Request: %s is not allowed in request body.", name),
	}
}

// call builds the Call of a request from the members of its body.
func (q *request) call(op gateway.Operation, in *wire.Object, body []byte) (*gateway.Call, error) {
	if err := refuseMembers(in); err != nil {
		return nil, err
	}
	model, ok := in.String("model")
	if !ok {
		if in.Find("model") != nil {
			return nil, &gateway.Error{Kind: gateway.Invalid, Type: "bad_request_error", Param: "model", Message: "'model' must be a string."}
		}
		return nil, gateway.Invalidf("model", "Missing required parameter: 'model'.")
	}
	if err := q.a.Auth.Directory.ChooseTeam(&q.principal, model, q.s.Table); err != nil {
		return nil, err
	}
	c := &gateway.Call{
		ID: q.id, Op: op, Dialect: q.dialect, Route: q.r.URL.Path, Model: model, Body: body, Principal: q.principal, Start: q.start,
		ClientIP: q.client(), UserAgent: q.r.Header.Get("User-Agent"),
	}
	for _, v := range q.r.Header["Anthropic-Beta"] {
		for beta := range strings.SplitSeq(v, ",") {
			if beta = strings.TrimSpace(beta); beta != "" && len(c.Betas) < 50 {
				c.Betas = append(c.Betas, clip(beta, 100))
			}
		}
	}
	c.Ask = gateway.Ask{Input: token.Input(in.Text, 1), Likely: token.Likely(in.Text, 1), Choices: 1}
	if op == gateway.Embed {
		// Lists of tokens hold no text: a token takes two bytes of them at least.
		if v := strings.TrimLeft(string(in.Get("input")[:min(len(in.Get("input")), 16)]), "[ \t\r\n"); v != "" && v[0] >= '0' && v[0] <= '9' {
			c.Ask.Input = max(c.Ask.Input, int64(len(in.Get("input"))/2))
		}
	}
	if err := q.sizes(c, in); err != nil {
		return nil, err
	}
	if err := q.overrides(c, in); err != nil {
		return nil, err
	}
	tagsIn, err := q.about(c, in)
	if err != nil {
		return nil, err
	}
	c.Group = q.alias(model)
	d := q.a.Auth.Directory
	if err := d.Check(&auth.Asked{Call: c, Body: in, TagsIn: tagsIn}, q.s.Policy, q.s.Table); err != nil {
		return nil, err
	}
	if len(q.s.Table.AccessGroups(c.Group)) > 0 {
		c.AccessGroups = d.Through(&q.principal, model, q.s.Table)
	}
	c.Prompt = prompt(in)
	return c, nil
}

// prompt returns the members that hold what a provider's prompt cache goes by,
// in the order in which providers put them together.
func prompt(in *wire.Object) (p [3][]byte) {
	for _, name := range [...]string{"messages", "contents", "input"} {
		if p[2] = in.Get(name); p[2] != nil {
			break
		}
	}
	for _, name := range [...]string{"system", "systemInstruction", "instructions"} {
		if p[1] = in.Get(name); p[1] != nil {
			break
		}
	}
	p[0] = in.Get("tools")
	return p
}

// alias returns the group a model name stands for: by the team's names, then the
// key's own, then everybody's.
func (q *request) alias(model string) string {
	model = auth.Served(&q.principal, model)
	if to := q.s.ModelAliases[model]; to != "" {
		model = to
	}
	return q.s.Table.Group(model)
}

// sizes reads how large the answer may be, and whether it is streamed.
func (q *request) sizes(c *gateway.Call, in *wire.Object) error {
	for _, name := range [...]string{"max_tokens", "max_completion_tokens"} {
		if !in.Has(name) {
			continue
		}
		n, ok := in.Int(name)
		if !ok || n < 1 {
			return gateway.Invalidf(name, "'%s' must be a whole number of at least 1, got %s", name, clip(string(in.Get(name)), 40))
		}
		c.Ask.MaxOutput = n // the second wins, as with OpenAI
	}
	if tier, _ := in.String("service_tier"); in.Has("service_tier") && tier != "default" && tier != "standard" && tier != "flex" {
		c.Ask.Tier = true
	}
	if in.Has("n") {
		n, ok := in.Int("n")
		if !ok || n < 1 || n > 128 {
			return gateway.Invalidf("n", "'n' must be a whole number from 1 to 128, got %s", clip(string(in.Get("n")), 40))
		}
		c.Ask.Choices = n
	}
	if in.Has("stream") {
		v, ok := in.Bool("stream")
		if !ok {
			return gateway.Invalidf("stream", "'stream' must be true or false, got %s", clip(string(in.Get("stream")), 40))
		}
		c.Stream = v
	}
	if in.Has("stream_options") {
		var o wire.Object
		if err := o.Parse(in.Get("stream_options")); err != nil {
			return gateway.Invalidf("stream_options", "'stream_options' must be an object: %v", err)
		}
		c.WantsUsage, _ = o.Bool("include_usage")
	}
	return nil
}

// overrides reads what the client wants to be different for this call.
func (q *request) overrides(c *gateway.Call, in *wire.Object) error {
	h := q.r.Header
	if v := h.Get("X-Litellm-Num-Retries"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > 50 {
			return gateway.Invalidf("x-litellm-num-retries", "want a whole number from 0 to 50, got %q", clip(v, 40))
		}
		c.Retries = &n
	}
	if in.Has("num_retries") {
		n, ok := in.Int("num_retries")
		if !ok || n < 0 || n > 50 {
			return gateway.Invalidf("num_retries", "'num_retries' must be a whole number from 0 to 50, got %s", clip(string(in.Get("num_retries")), 40))
		}
		v := int(n)
		c.Retries = &v
	}
	for _, t := range [...]struct {
		header, member string
		to             *time.Duration
	}{
		{"X-Litellm-Timeout", "timeout", &c.Timeout},
		{"X-Litellm-Stream-Timeout", "stream_timeout", &c.StreamTimeout},
	} {
		name, v := strings.ToLower(t.header), h.Get(t.header)
		if in.Has(t.member) {
			name, v = t.member, string(in.Get(t.member))
		}
		if v == "" {
			continue
		}
		s, err := strconv.ParseFloat(v, 64)
		if err != nil || !(s > 0) || s > 86400 {
			return gateway.Invalidf(name, "'%s' must be a number of seconds above 0 and up to 86400, got %s", name, clip(v, 40))
		}
		*t.to = time.Duration(s * float64(time.Second))
	}
	if in.Has("fallbacks") {
		if err := q.fallbacks(c, in.Get("fallbacks")); err != nil {
			return err
		}
	}
	c.DisableFallbacks, _ = in.Bool("disable_fallbacks")
	if v := h.Get("X-Penstock-Hedge"); v != "" {
		on, err := strconv.ParseBool(v)
		if err != nil {
			return gateway.Invalidf("x-penstock-hedge", "want true or false, got %q", clip(v, 40))
		}
		c.Hedge = &on
	}
	if c.Region = q.region(); c.Region == "" { // a client cannot leave its key's region
		c.Region, _ = in.String("allowed_model_region")
	}
	c.DropParams, _ = in.Bool("drop_params")
	return nil
}

// region returns where the key's or its user's calls must stay, "" for anywhere.
func (q *request) region() string {
	p := &q.principal
	if p.Key != nil && len(p.Key.Metadata) > 0 {
		if region := member(p.Key.Metadata, "allowed_model_region"); region != "" {
			return region
		}
	}
	if p.User != nil && len(p.User.Metadata) > 0 {
		return member(p.User.Metadata, "allowed_model_region")
	}
	return ""
}

// member returns a text member of a JSON object, "" if it has none.
func member(object []byte, name string) string {
	var o wire.Object
	if !bytes.Contains(object, []byte(name)) || o.Parse(object) != nil {
		return ""
	}
	s, _ := o.String(name)
	return s
}

// about reads who the call is for and what it belongs to. It returns the member
// of the body's metadata in which the client has sent tags, "" if there is none.
func (q *request) about(c *gateway.Call, in *wire.Object) (tagsIn string, err error) {
	h := q.r.Header
	if t := q.principal.Token; t != nil {
		c.EndUser = t.EndUserID // signed: the client cannot say otherwise
	}
	if c.EndUser == "" {
		c.EndUser = cmp.Or(h.Get("X-Litellm-Customer-Id"), h.Get("X-Litellm-End-User-Id"))
	}
	if c.EndUser == "" && q.s.UserHeader != "" {
		c.EndUser = h.Get(q.s.UserHeader)
	}
	if c.EndUser == "" {
		c.EndUser, _ = in.String("user")
	}
	c.Session = cmp.Or(h.Get("X-Litellm-Trace-Id"), h.Get("X-Litellm-Session-Id"), h.Get("X-Session-Id"), h.Get("X-Litellm-Call-Id"))
	if v := h.Get("X-Litellm-Tags"); v != "" {
		for tag := range strings.SplitSeq(v, ",") {
			c.Tags = addTag(c.Tags, strings.TrimSpace(tag))
		}
	}
	if in.Has("tags") {
		list, err := stringList(in.Get("tags"))
		if err != nil {
			return "", gateway.Invalidf("tags", "'tags' must be a list of strings: %v", err)
		}
		for _, tag := range list {
			c.Tags = addTag(c.Tags, tag)
		}
	}
	for _, name := range [...]string{"metadata", "litellm_metadata"} {
		if !in.Has(name) {
			continue
		}
		var m wire.Object
		if err := m.Parse(in.Get(name)); err != nil {
			return "", gateway.Invalidf(name, "Invalid type for '%s': expected an object: %v", name, err)
		}
		if m.Has("tags") {
			tagsIn = name + ".tags"
			list, err := stringList(m.Get("tags"))
			if err != nil {
				return "", gateway.Invalidf(name+".tags", "'%s.tags' must be a list of strings: %v", name, err)
			}
			for _, tag := range list {
				c.Tags = addTag(c.Tags, tag)
			}
		}
		if c.Metadata == nil {
			c.Metadata = append([]byte(nil), in.Get(name)...) // it outlives the body
		}
		if c.EndUser == "" {
			c.EndUser, _ = m.String("user_id")
		}
		if c.Session == "" {
			id, _ := m.String("session_id")
			c.Session = id
		}
	}
	if k := q.principal.Key; k != nil {
		for _, tag := range k.Tags {
			c.Tags = addTag(c.Tags, tag)
		}
	}
	if t := q.principal.Team; t != nil {
		for _, tag := range t.Tags {
			c.Tags = addTag(c.Tags, tag)
		}
	}
	if t := q.principal.Team; t != nil && len(t.Metadata) > 0 && bytes.Contains(t.Metadata, []byte(`"tags"`)) {
		var m wire.Object
		if m.Parse(t.Metadata) == nil && m.Has("tags") {
			list, _ := stringList(m.Get("tags")) // what is no list was refused when the team was stored
			for _, tag := range list {
				c.Tags = addTag(c.Tags, tag)
			}
		}
	}
	c.EndUser, c.Session, c.UserAgent = clip(c.EndUser, 256), clip(c.Session, 256), clip(c.UserAgent, 256)
	if !q.s.NoAgents {
		c.Agent = agent(c.UserAgent)
	}
	q.a.Auth.Directory.Charge(&c.Principal, c.EndUser, q.s.EndUserBudget, c.Tags)
	return tagsIn, nil
}

const maxTags = 64

func addTag(tags []string, tag string) []string {
	tag = clip(tag, 128)
	if tag == "" || len(tags) >= maxTags {
		return tags
	}
	if slices.Contains(tags, tag) {
		return tags
	}
	return append(tags, tag)
}

// stringList reads a JSON array of strings, with at most maxTags in it. Objects
// with a model member count as its name, as in LiteLLM's fallbacks.
func stringList(v []byte) ([]string, error) {
	// The array's elements become members of an object, so that one parser does both.
	if len(v) < 2 || v[0] != '[' {
		return nil, errors.New("want a list")
	}
	out := []string{}
	for rest := v[1 : len(v)-1]; ; {
		el, more, err := wire.Element(rest)
		if err != nil {
			return nil, err
		}
		if el == nil {
			return out, nil
		}
		s, ok := wire.Unquote(el)
		if !ok {
			var o wire.Object
			if o.Parse(el) != nil {
				return nil, fmt.Errorf("want strings, got %s", clip(string(el), 40))
			}
			if s, ok = o.String("model"); !ok {
				return nil, fmt.Errorf("want strings, got %s", clip(string(el), 40))
			}
		}
		if out = append(out, s); len(out) > maxTags {
			return nil, fmt.Errorf("at most %d entries", maxTags)
		}
		rest = more
	}
}

// client returns the address that the request comes from, as text.
func (q *request) client() string {
	if q.s.Policy.ForwardedFor {
		if ip := q.s.Policy.Client(q.r); ip.IsValid() {
			return ip.String()
		}
	}
	host, _, err := net.SplitHostPort(q.r.RemoteAddr)
	if err != nil {
		return q.r.RemoteAddr
	}
	return host
}

func size(n int64) string {
	if n >= 1<<20 {
		return strconv.FormatInt(n>>20, 10) + " MB"
	}
	return strconv.FormatInt(n, 10) + " bytes"
}
