package gemini

import (
	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/provider"
)

// complete returns r with the deployment's parameters where the client is
// silent, and without those that the deployment never sends. r stays as it is:
// another deployment may get its turn.
func complete(d *gateway.Deployment, c *provider.Call, r *canon.Request) (*canon.Request, error) {
	out := *r
	if len(d.Defaults) > 0 {
		def, err := provider.Defaults(d)
		if err != nil {
			return nil, err
		}
		if c.MaxTokens > 0 {
			def.MaxTokens = min(def.MaxTokens, c.MaxTokens)
		}
		provider.Fill(&out, def)
	}
	for _, name := range d.DropAlways {
		if provider.Remove(&out, name) {
			c.Dropped = append(c.Dropped, name)
		}
	}
	return &out, nil
}
