package config

import (
	"maps"
	"slices"
	"strings"

	"penstock/internal/typo"
)

// logParts is what has been said about logging, before the destinations are
// put together: a callback may be named before its settings are known.
type logParts struct {
	names        []*callback
	headers      map[string]string
	langfuseTags []string
}

type callback struct {
	name                 string
	onSuccess, onFailure bool
	at                   *node
}

// callbacks are LiteLLM's other destinations. They are here so that a file
// which uses them is told what will be missing, not that it has a typo.
var callbacks = strings.Fields(`
agentops anthropic_cache_control_hook argilla arize arize_phoenix athina aws_sqs azure_content_safety azure_sentinel
azure_storage bitbucket braintrust clickhouse cloudzero compression_interception custom_api datadog
datadog_llm_observability datadog_metrics deepeval detect_prompt_injection dotprompt dynamic_rate_limiter
dynamic_rate_limiter_v3 dynamodb email focus galileo gcs_bucket gcs_pubsub gitlab greenscale helicone humanloop lago
langsmith langtrace levo litellm_agent literalai logfire lunary mavvrik mlflow newrelic openmeter opik otel pagerduty
pointfive posthog promptlayer resend_email s3 s3_v2 sendgrid_email sentry signoz slack smtp_email supabase traceloop
vantage vector_store_pre_call_hook wandb weave_otel zerobus`)

// callbackKey is one of the three lists of callbacks.
func callbackKey(name string, success, failure bool) key {
	return custom(name, "a list of names", func(l *loader, n *node) {
		names, ok := words().read(l, n)
		if !ok {
			return
		}
		for i, name := range names {
			at := n
			if n.shape == list {
				at = n.items[i]
			}
			j := slices.IndexFunc(l.logs.names, func(c *callback) bool { return c.name == name })
			if j < 0 {
				l.logs.names = append(l.logs.names, &callback{name, success, failure, at})
				continue
			}
			c := l.logs.names[j]
			c.onSuccess, c.onFailure = c.onSuccess || success, c.onFailure || failure
		}
	})
}

// finishLogging makes a destination of every callback that was named.
func (l *loader) finishLogging(settings *node) {
	if settings != nil && settings.shape != mapping {
		if settings.shape != null {
			l.want(settings, "a mapping of callbacks to their options")
		}
		settings = nil
	}
	used := map[string]bool{}
	for _, c := range l.logs.names {
		used[c.name] = true
		own := settings.get(c.name)
		d := Destination{Name: c.name, Type: c.name, OnSuccess: c.onSuccess, OnFailure: c.onFailure, Settings: Settings{}}
		switch t := l.callbackType(own); {
		case c.name == "prometheus":
			l.cfg.Logging.Prometheus = true
			continue
		case t == "generic_api" || c.name == "generic_api" || c.name == "webhook":
			d.Type = "generic_api"
			if !l.webhook(&d, own, c.at) {
				continue
			}
		case c.name == "langfuse" || c.name == "langfuse_otel":
			if !l.langfuse(&d, own, c.at) {
				continue
			}
		case strings.Contains(c.name, "."):
			l.ignore(c.at, c.name+" "+python)
			continue
		case slices.Contains(callbacks, c.name):
			l.ignore(c.at, c.name+" is "+notYet)
			continue
		default:
			why := "there is no destination called " + c.name
			known := slices.Concat(callbacks, []string{"prometheus", "langfuse", "langfuse_otel", "generic_api", "webhook"})
			if s := typo.Nearest(c.name, known); s != "" {
				why += ", did you mean " + s + "?"
			}
			l.ignore(c.at, why)
			continue
		}
		l.cfg.Logging.Destinations = append(l.cfg.Logging.Destinations, d)
	}
	if settings == nil {
		return
	}
	for _, f := range settings.fields {
		if !used[f.name] {
			l.warn(f.value, "has no effect: %s is not in callbacks, success_callback or failure_callback", f.name)
		}
	}
}

func (l *loader) callbackType(own *node) string {
	t := own.get("callback_type")
	if t == nil || t.shape == null {
		return ""
	}
	s, _ := text().read(l, t)
	return s
}

// webhook fills the settings of a generic_api destination: endpoint, headers
// (as in GENERIC_LOGGER_HEADERS: k=v,k=v), event_types (comma separated),
// log_format.
func (l *loader) webhook(d *Destination, own, at *node) bool {
	var endpoint, format, batch, flush string
	var events []string
	headers := l.logs.headers
	before := len(l.problems)
	l.apply(own, append([]key{
		bind("callback_type", text(), new(string)),
		bind("endpoint", baseURL(), &endpoint),
		bind("headers", dict(text()), &headers),
		bind("event_types", eventTypes(), &events),
		bind("log_format", choice("json_array", "ndjson", "single"), &format),
		bind("batch_size", text(), &batch),
		bind("flush_interval", text(), &flush),
	}, later(notYet, "message_logging", "turn_off_message_logging")...))
	for name, v := range map[string]string{"batch_size": batch, "flush_interval": flush} {
		if v != "" {
			d.Settings[name] = v
		}
	}
	if endpoint == "" {
		endpoint = firstSet(l.lookup, []string{"GENERIC_LOGGER_ENDPOINT"})
	}
	if endpoint == "" {
		if l.clean(before) {
			l.warn(at, "%s is left out: it needs callback_settings.%s.endpoint or the environment variable GENERIC_LOGGER_ENDPOINT", d.Name, d.Name)
		}
		return false
	}
	d.Settings["endpoint"] = endpoint
	if len(headers) > 0 {
		var pairs []string
		for _, k := range slices.Sorted(maps.Keys(headers)) {
			if strings.Contains(k+headers[k], ",") {
				// The list has LiteLLM's form, which cannot quote.
				l.bad(at, "the header %s of %s has a comma in it, which cannot be passed on", k, d.Name)
				return false
			}
			pairs = append(pairs, k+"="+headers[k])
		}
		d.Settings["headers"] = strings.Join(pairs, ",")
	} else if h := firstSet(l.lookup, []string{"GENERIC_LOGGER_HEADERS"}); h != "" {
		d.Settings["headers"] = h
	}
	if len(events) > 0 {
		d.Settings["event_types"] = strings.Join(events, ",")
		d.OnSuccess = d.OnSuccess && slices.Contains(events, "llm_api_success")
		d.OnFailure = d.OnFailure && slices.Contains(events, "llm_api_failure")
	}
	if format != "" {
		d.Settings["log_format"] = format
	}
	return true
}

func eventTypes() reader[[]string] {
	return reader[[]string]{"a list of llm_api_success and llm_api_failure", func(l *loader, n *node) ([]string, bool) {
		names, ok := words().read(l, n)
		for i, name := range names {
			if ok && name != "llm_api_success" && name != "llm_api_failure" {
				at := n
				if n.shape == list {
					at = n.items[i]
				}
				l.want(at, "llm_api_success or llm_api_failure")
				return nil, false
			}
		}
		return names, ok
	}}
}

// langfuseVars are the environment variables behind each setting.
var langfuseVars = []struct {
	setting string
	vars    []string
}{
	{"public_key", []string{"LANGFUSE_PUBLIC_KEY"}},
	{"secret_key", []string{"LANGFUSE_SECRET_KEY", "LANGFUSE_SECRET"}},
	{"host", []string{"LANGFUSE_HOST", "LANGFUSE_BASE_URL"}},
	{"environment", []string{"LANGFUSE_TRACING_ENVIRONMENT"}},
	{"release", []string{"LANGFUSE_RELEASE"}},
	{"sample_rate", []string{"LANGFUSE_SAMPLE_RATE"}},
	{"flush_interval", []string{"LANGFUSE_FLUSH_INTERVAL"}},
	{"proxy_base_url", []string{"PROXY_BASE_URL"}},
}

// langfuseTags are the default tags that mean something here. LiteLLM takes any
// name of its metadata.
var langfuseTags = []string{
	"cache_hit", "proxy_base_url", "user_api_key_alias", "user_api_key_team_alias", "user_api_key_team_id", "user_api_key_user_email", "user_api_key_user_id",
}

func (l *loader) langfuse(d *Destination, own, at *node) bool {
	if own != nil {
		for _, f := range own.fields {
			l.ignore(f.value, notYet)
		}
	}
	for _, v := range langfuseVars {
		if s := firstSet(l.lookup, v.vars); s != "" {
			d.Settings[v.setting] = s
		}
	}
	for _, tag := range l.logs.langfuseTags {
		if !slices.Contains(langfuseTags, tag) {
			l.warn(at, "litellm_settings.langfuse_default_tags: %q has no effect; there are %s", tag, strings.Join(langfuseTags, ", "))
		}
	}
	if len(l.logs.langfuseTags) > 0 {
		d.Settings["default_tags"] = strings.Join(l.logs.langfuseTags, ",")
	}
	if d.Settings["public_key"] == "" || d.Settings["secret_key"] == "" {
		l.warn(at, "%s is left out: it needs the environment variables LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY", d.Name)
		return false
	}
	return true
}

// teamLogging reads default_team_settings: what is not about when to log is a
// variable of the callbacks.
func teamLogging(l *loader, n *node) {
	for _, item := range l.items(n) {
		if item.shape != mapping {
			l.want(item, "a mapping with a team_id")
			continue
		}
		var team string
		var success, failure []string
		vars := Settings{}
		keys := []key{
			bind("team_id", text(), &team), bind("success_callback", words(), &success), bind("failure_callback", words(), &failure),
		}
		for _, f := range item.fields {
			switch f.name {
			case "team_id", "success_callback", "failure_callback":
			default:
				keys = append(keys, use(f.name, text(), func(_ *loader, s string) { vars[f.name] = s }))
			}
		}
		l.apply(item, keys)
		if team == "" {
			l.want(item, "a team_id")
			continue
		}
		if l.cfg.Logging.Teams == nil {
			l.cfg.Logging.Teams = map[string][]Destination{}
		}
		for _, name := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(success, failure)))) {
			l.cfg.Logging.Teams[team] = append(l.cfg.Logging.Teams[team], Destination{
				Name: name, OnSuccess: slices.Contains(success, name), OnFailure: slices.Contains(failure, name), Settings: maps.Clone(vars),
			})
		}
	}
}
