package router

import (
	"bytes"
	"slices"
	"strings"

	"penstock/internal/gateway"
)

// marks are member names and values that a request body has only if it needs
// the capability, in any of the dialects. A text cannot be taken for them: its
// quotes are escaped.
var marks = [...]struct {
	needs gateway.Capability
	mark  []byte
}{
	{gateway.Vision, []byte(`"image_url"`)},
	{gateway.Vision, []byte(`"input_image"`)},
	{gateway.Vision, []byte(`"type":"image"`)},
	{gateway.Vision, []byte(`"type": "image"`)},
	{gateway.AudioInput, []byte(`"input_audio"`)},
	{gateway.Tools, []byte(`"tools"`)},
	{gateway.ResponseSchema, []byte(`"json_schema"`)},
}

// needs returns what a deployment must be able to do to serve the body.
func needs(body []byte) gateway.Capability {
	var c gateway.Capability
	for _, m := range marks {
		if c&m.needs == 0 && bytes.Contains(body, m.mark) {
			c |= m.needs
		}
	}
	return c
}

// europe are the regions of clouds that lie in the European Union and do not
// begin with "eu".
var europe = []string{
	"westeurope", "northeurope", "francecentral", "francesouth", "germanywestcentral", "germanynorth", "swedencentral",
	"swedensouth", "italynorth", "spaincentral", "polandcentral",
}

// america are the regions of clouds that lie in the United States and do not
// begin with "us".
var america = []string{
	"eastus", "eastus2", "westus", "westus2", "westus3", "centralus", "northcentralus", "southcentralus", "westcentralus",
}

// inRegion reports whether a deployment's region lies in the one that is
// allowed: the same, or one that begins with it ("eu" has "eu-west-1" and
// "europe-west4"). A region that is not known lies in none.
func inRegion(region, allowed string) bool {
	region, allowed = strings.ToLower(region), strings.ToLower(allowed)
	switch {
	case region == "":
		return false
	case region == allowed:
		return true
	case allowed == "eu":
		// europe-west2 is London and europe-west6 Zürich, eu-west-2 and eu-central-2 the same.
		return (strings.HasPrefix(region, "eu-") || strings.HasPrefix(region, "europe-")) && !slices.Contains(outside, region) || slices.Contains(europe, region)
	case allowed == "us":
		return strings.HasPrefix(region, "us-") || slices.Contains(america, region)
	}
	return strings.HasPrefix(region, allowed+"-")
}

// outside are regions that are named for Europe and lie outside the Union.
var outside = []string{"europe-west2", "europe-west6", "eu-west-2", "eu-central-2"}
