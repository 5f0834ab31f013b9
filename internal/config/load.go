package config

import "os"

// Options are where a configuration comes from.
type Options struct {
	// Path is the file to read; "" configures from the environment alone.
	Path string
	// Env looks environment variables up; nil is the process environment.
	Env func(string) (string, bool)
	// ReadFile reads one file; nil is os.ReadFile.
	ReadFile func(string) ([]byte, error)
	// Known are the names of providers that have an adapter. Deployments of
	// other providers are left out, with an entry in Report.Ignored. Nil keeps
	// every deployment.
	Known []string
	// EnvKey returns the environment variables that may hold a provider's API
	// key, first choice first. EnvBase does the same for its base URL. Nil
	// looks nothing up.
	EnvKey  func(provider string) []string
	EnvBase func(provider string) []string
	// PriceProvider tells the provider of a model name without a prefix, from
	// the price table; "" if it is not in there. Nil knows none.
	PriceProvider func(model string) string
	// DataDir is Server.DataDir unless the file or PENSTOCK_DATA_DIR says otherwise.
	DataDir string
	// Stored is what the database adds; nil if it was not asked. Then a
	// credential that the file does not have may be in the database.
	Stored *Stored
}

func (o Options) withDefaults() Options {
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	if o.ReadFile == nil {
		o.ReadFile = os.ReadFile
	}
	none := func(string) []string { return nil }
	if o.EnvKey == nil {
		o.EnvKey = none
	}
	if o.EnvBase == nil {
		o.EnvBase = none
	}
	if o.PriceProvider == nil {
		o.PriceProvider = func(string) string { return "" }
	}
	return o
}

// Load reads the file and everything it includes. The error is an *Errors that
// lists every mistake; the Config is nil then, but the Report is not, so that
// a watcher knows which files to wait for.
func Load(o Options) (*Config, *Report, error) {
	l := newLoader(o)
	l.storedCredentials()
	if o.Path == "" {
		l.environment(nil)
		l.fromEnv()
	} else if root := l.files(o.Path, nil); root != nil {
		l.environment(root.get("environment_variables"))
		l.file(root)
	}
	l.storedModels()
	l.finish()
	if len(l.problems) > 0 {
		e := &Errors{Problems: l.problems}
		e.sort(l.report.Files)
		return nil, l.report, e
	}
	return l.cfg, l.report, nil
}
