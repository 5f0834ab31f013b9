package auth

import (
	"fmt"
	"slices"
	"strings"

	"penstock/internal/gateway"
)

// groups are names for sets of routes, as keys list them in allowed_routes.
// Entries ending in / stand for everything below.
var groups = map[string][]string{
	"llm_api_routes": {
		"/v1/chat/completions", "/chat/completions", "/v1/embeddings", "/embeddings", "/v1/messages", "/v1/models", "/models",
		"/v1/models/", "/models/", "/engines/", "/openai/deployments/", "/model/info", "/v1/model/info",
	},
	"openai_routes": {
		"/v1/chat/completions", "/chat/completions", "/v1/embeddings", "/embeddings", "/v1/models", "/models", "/v1/models/", "/models/",
		"/engines/", "/openai/deployments/",
	},
	"anthropic_routes":  {"/v1/messages"},
	"info_routes":       {"/key/info", "/team/info", "/user/info", "/model/info", "/v1/model/info", "/key/list", "/models", "/v1/models", "/health"},
	"management_routes": {"/key/", "/user/", "/team/", "/spend/", "/model/"},
}

// Route checks that p's key may call the path at all. The error is a
// *gateway.Error of kind Forbidden.
func Route(p *gateway.Principal, path string) error {
	if p.Key == nil || len(p.Key.AllowedRoutes) == 0 {
		return nil
	}
	for _, entry := range p.Key.AllowedRoutes {
		if list, ok := groups[entry]; ok {
			if slices.ContainsFunc(list, func(r string) bool { return r == path || strings.HasSuffix(r, "/") && strings.HasPrefix(path, r) }) {
				return nil
			}
			continue
		}
		if entry == path || strings.HasPrefix(path, entry+"/") || strings.HasSuffix(entry, "*") && strings.HasPrefix(path, entry[:len(entry)-1]) {
			return nil
		}
	}
	return &gateway.Error{
		Kind: gateway.Forbidden, Type: "auth_error",
		Message: fmt.Sprintf("Virtual key is not allowed to call this route. Only allowed to call routes: %v. Tried to call route: %s", p.Key.AllowedRoutes, path),
	}
}
