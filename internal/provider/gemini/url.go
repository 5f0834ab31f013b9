package gemini

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"penstock/internal/gateway"
)

const (
	defaultBase    = "https://generativelanguage.googleapis.com"
	defaultVersion = "v1beta"
)

// versionSegment is a path segment like v1, v1beta or v1alpha2.
var versionSegment = regexp.MustCompile(`^v[0-9]+((alpha|beta)[0-9]*)?$`)

// endpoint returns the URL of a model's method. A base with a version segment
// keeps it; one that names a model already gets only the method.
func endpoint(d *gateway.Deployment, model, method, query string) (string, error) {
	base := d.BaseURL
	if base == "" {
		base = defaultBase
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("api_base of deployment %s is not an absolute URL", d.ID)
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	if _, name, ok := strings.Cut(path, "/models/"); ok {
		if i := strings.LastIndexByte(name, ':'); i >= 0 {
			path = path[:len(path)-len(name)+i]
		}
	} else {
		if !hasVersion(path) {
			version := d.APIVersion
			if version == "" {
				version = defaultVersion
			}
			path += "/" + version
		}
		name, err := resource(model)
		if err != nil {
			return "", err
		}
		path += "/" + name
	}
	out := u.Scheme + "://" + u.Host + path + ":" + method
	switch {
	case u.RawQuery != "" && query != "":
		out += "?" + u.RawQuery + "&" + query
	case u.RawQuery != "" || query != "":
		out += "?" + u.RawQuery + query
	}
	return out, nil
}

func hasVersion(path string) bool {
	for s := range strings.SplitSeq(path, "/") {
		if versionSegment.MatchString(s) {
			return true
		}
	}
	return false
}

// resource returns the model's resource name, escaped. With a wildcard
// deployment the name comes from the client, so it must not reach beyond the
// model in the URL.
func resource(model string) (string, error) {
	if !strings.HasPrefix(model, "models/") && !strings.HasPrefix(model, "tunedModels/") {
		model = "models/" + model
	}
	segments := strings.Split(model, "/")
	for i, s := range segments {
		if s == "" || s == "." || s == ".." {
			return "", gateway.Invalidf("model", "%q is not a model name", model)
		}
		// The colon starts the method.
		segments[i] = strings.ReplaceAll(url.PathEscape(s), ":", "%3A")
	}
	return strings.Join(segments, "/"), nil
}
