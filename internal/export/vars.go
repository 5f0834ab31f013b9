package export

import (
	"fmt"
	"slices"
	"strings"
)

// Named is a destination as a key or a team names it.
type Named struct {
	Type     string // as package all knows it
	Settings map[string]string
	// Content says that it gets prompts and answers, if the configuration gives
	// them to anybody.
	Content bool
}

// The destinations that keys and teams can have of their own, and what each of
// their callback_vars is here.
var ownTypes = map[string]struct {
	settings map[string]string
	needed   []string
}{
	langfuseType: {
		map[string]string{
			"langfuse_public_key": "public_key", "langfuse_secret_key": "secret_key", "langfuse_secret": "secret_key", "langfuse_host": "host",
			"langfuse_environment": "environment", "langfuse_tracing_environment": "environment", "langfuse_release": "release",
		},
		[]string{"langfuse_public_key", "langfuse_secret_key"},
	},
	"generic_api": {
		map[string]string{"endpoint": "endpoint", "headers": "headers", "log_format": "log_format"},
		[]string{"endpoint"},
	},
}

const langfuseType = "langfuse"

// typeOf returns the type behind a destination's name, the name itself if it is
// none that keys and teams can have.
func typeOf(name string) string {
	switch name {
	case "langfuse_otel":
		return langfuseType
	case "webhook":
		return "generic_api"
	}
	return name
}

// Ours reports whether keys and teams can have destinations of that name.
func Ours(name string) bool {
	_, ok := ownTypes[typeOf(name)]
	return ok
}

// ParseVars reads LiteLLM's callback_vars. What they have besides is ignored. The
// error names the variable and is for whoever has sent it.
func ParseVars(name string, vars map[string]string) (Named, error) {
	typ := typeOf(name)
	known, ok := ownTypes[typ]
	if !ok {
		return Named{}, fmt.Errorf("callback_name: keys and teams can have langfuse, langfuse_otel, generic_api and webhook, not '%s'", name)
	}
	out := Named{Type: typ, Settings: map[string]string{}, Content: !strings.EqualFold(vars["turn_off_message_logging"], "true")}
	for v, setting := range known.settings {
		if vars[v] != "" {
			out.Settings[setting] = vars[v]
		}
	}
	for _, v := range known.needed {
		if out.Settings[known.settings[v]] == "" {
			return out, fmt.Errorf("callback_vars.%s is missing: %s needs it", v, name)
		}
	}
	for v, text := range vars {
		// Whoever may set them could have the gateway's own secrets sent to them.
		if strings.HasPrefix(text, "os.environ/") {
			return out, fmt.Errorf("callback_vars.%s: the gateway's environment is not looked up for keys and teams; set the value itself", v)
		}
	}
	return out, nil
}

// SecretVar reports whether a variable is nobody's business once it is set.
func SecretVar(name string) bool {
	name = strings.ToLower(name)
	if strings.Contains(name, "public_key") {
		return false
	}
	return slices.ContainsFunc([]string{"key", "secret", "token", "password", "headers", "authorization", "service_account", "credential"}, func(part string) bool {
		return strings.Contains(name, part)
	})
}
