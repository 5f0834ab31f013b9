package config

import (
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"penstock/internal/gateway"
)

// environment reads the file's environment_variables, then every setting that
// has a variable of its own. The file's sections come later and win.
func (l *loader) environment(vars *node) {
	if vars != nil && vars.shape != null {
		if m, ok := dict(text()).read(l, vars); ok {
			l.vars = m
		}
	}
	for _, k := range append(l.environmentKeys(), l.jwtEnvironment()...) {
		v, ok := l.lookup(k.name)
		if !ok || v == "" {
			continue
		}
		k.set(l, &node{shape: scalar, tag: "!!str", text: v, path: k.name})
	}
	l.databaseParts()
	l.finishRedis()
}

// finish settles what depends on other settings.
func (l *loader) finish() {
	if l.cfg.Server.SaltKey == "" {
		l.cfg.Server.SaltKey = l.cfg.Server.MasterKey
	}
	l.report.sort()
}

func (l *loader) environmentKeys() []key {
	s, r, g := &l.cfg.Server, &l.cfg.Router, &l.cfg.Logging
	return []key{
		bind("HOST", text(), &s.Host),
		bind("PORT", whole[int](1, 65535), &s.Port),
		bind("LITELLM_MASTER_KEY", secret(), &s.MasterKey),
		bind("LITELLM_SALT_KEY", secret(), &s.SaltKey),
		bind("LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY", boolean(), &s.AllowWeakMasterKey),
		bind("DATABASE_URL", secret(), &s.DatabaseURL),
		bind("STORE_MODEL_IN_DB", boolean(), &s.StoreModelInDB),
		bind("PENSTOCK_DATA_DIR", text(), &s.DataDir),
		bind("REDIS_URL", secret(), &l.redis.url),
		bind("REDIS_HOST", text(), &l.redis.host),
		bind("REDIS_PORT", whole[int](1, 65535), &l.redis.port),
		bind("REDIS_USERNAME", text(), &l.redis.username),
		bind("REDIS_PASSWORD", secret(), &l.redis.password),
		bind("REDIS_DB", whole[int](0, 1<<20), &l.redis.db),
		bind("REDIS_SSL", boolean(), &l.redis.tls),
		bind("REDIS_NAMESPACE", text(), &l.redis.namespace),
		bind("REDIS_CLUSTER_NODES", clusterNodes(), &l.redis.nodes),
		bind("GRACEFUL_SHUTDOWN_TIMEOUT", seconds(), &s.DrainTimeout),
		use("LITELLM_KEY_ROTATION_ENABLED", boolean(), func(_ *loader, on bool) { s.Rotation.Off = !on }),
		use("LITELLM_KEY_ROTATION_CHECK_INTERVAL_SECONDS", seconds(), func(_ *loader, d time.Duration) {
			if d > 0 {
				s.Rotation.Every = d
			}
		}),
		bind("LITELLM_KEY_ROTATION_GRACE_PERIOD", length(), &s.Rotation.Grace),
		bind("LITELLM_DROP_PARAMS", boolean(), &s.DropParams),
		use("REQUEST_TIMEOUT", seconds(), func(l *loader, d time.Duration) { s.RequestTimeout, r.Timeout = d, d }),
		bind("LITELLM_MAX_STREAMING_DURATION_SECONDS", seconds(), &r.MaxStream),
		bind("ROUTER_MAX_FALLBACKS", count[int](), &r.MaxFallbacks),
		bind("DEFAULT_MAX_RETRIES", count[int](), &r.NumRetries),
		bind("DEFAULT_COOLDOWN_TIME_SECONDS", seconds(), &r.CooldownTime),
		bind("LITELLM_RATE_LIMIT_WINDOW_SIZE", seconds(), &s.RateWindow),
		bind("JSON_LOGS", boolean(), &g.JSONLogs),
		use("LITELLM_LOG", choice("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), func(l *loader, name string) {
			g.Level = map[string]string{"DEBUG": "debug", "INFO": "info", "WARNING": "warn"}[name]
			if g.Level == "" {
				g.Level = "error"
			}
		}),
	}
}

// databaseParts builds the URL from the five variables that LiteLLM also takes.
func (l *loader) databaseParts() {
	get := func(name string) string { v, _ := l.lookup(name); return v }
	host, name := get("DATABASE_HOST"), get("DATABASE_NAME")
	if l.cfg.Server.DatabaseURL != "" || host == "" || name == "" {
		return
	}
	u := url.URL{Scheme: "postgresql", Host: host, Path: "/" + name}
	if port := get("DATABASE_PORT"); port != "" {
		u.Host = net.JoinHostPort(host, port)
	}
	if user := get("DATABASE_USERNAME"); user != "" {
		u.User = url.UserPassword(user, get("DATABASE_PASSWORD"))
	}
	if schema := get("DATABASE_SCHEMA"); schema != "" {
		u.RawQuery = url.Values{"search_path": {schema}}.Encode()
	}
	l.cfg.Server.DatabaseURL = gateway.Secret(u.String())
}

// starters are the providers that are served without a configuration file, as
// soon as their key is in the environment.
var starters = []struct {
	provider string
	vars     []string
}{
	{"openai", []string{"OPENAI_API_KEY"}},
	{"anthropic", []string{"ANTHROPIC_API_KEY"}},
	{"gemini", []string{"GEMINI_API_KEY", "GOOGLE_API_KEY"}},
}

func (l *loader) fromEnv() {
	for _, s := range starters {
		k := firstSet(l.lookup, slices.Concat(l.o.EnvKey(s.provider), s.vars))
		if k == "" || !l.o.adapter(s.provider) {
			continue
		}
		l.cfg.Models = append(l.cfg.Models, gateway.Deployment{
			ID: "env-" + s.provider, Group: s.provider + "/*", Provider: s.provider, Upstream: "*",
			APIKey: gateway.Secret(k), BaseURL: firstSet(l.lookup, l.o.EnvBase(s.provider)),
		})
	}
}

// firstSet returns the first of the variables that is set, "" if none is.
func firstSet(env func(string) (string, bool), names []string) string {
	for _, name := range names {
		if v, ok := env(name); ok && v != "" {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
