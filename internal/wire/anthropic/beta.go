package anthropic

import (
	"bytes"
	"slices"
	"strings"

	"penstock/internal/wire"
)

// Values of the anthropic-beta header that a body may need.
const (
	betaFiles      = "files-api-2025-04-14"
	betaMCP        = "mcp-client-2025-11-20"
	betaMCPOld     = "mcp-client-2025-04-04"
	betaContext    = "context-management-2025-06-27"
	betaCompact    = "compact-2026-01-12"
	betaFast       = "fast-mode-2026-02-01"
	betaFormat     = "structured-outputs-2025-11-13"
	betaSkills     = "skills-2025-10-02"
	betaEffort     = "effort-2025-11-24"
	betaToolSearch = "advanced-tool-use-2025-11-20"
)

// toolBetas says which beta a hosted tool needs, by the start of its type.
var toolBetas = []struct{ prefix, beta string }{
	{"computer_20250124", "computer-use-2025-01-24"},
	{"computer_20251124", "computer-use-2025-11-24"},
	{"web_fetch_", "web-fetch-2025-09-10"},
	{"code_execution_20250825", "code-execution-2025-08-25"},
	{"tool_search_tool_", betaToolSearch},
	{"memory_", betaContext},
	{"mcp_toolset", betaMCP},
	{"advisor_20260301", "advisor-tool-2026-03-01"},
}

// toolBeta returns the beta that a tool's type needs, "" if none.
func toolBeta(kind string) string {
	for _, t := range toolBetas {
		if strings.HasPrefix(kind, t.prefix) {
			return t.beta
		}
	}
	return ""
}

// Betas returns the anthropic-beta values that a native body needs, for
// clients that cannot send the header themselves.
func Betas(o *wire.Object) []string {
	var out []string
	add := func(beta string) {
		if beta != "" && !slices.Contains(out, beta) {
			out = append(out, beta)
		}
	}
	for i := range o.Members {
		m := &o.Members[i]
		v := o.Body[m.Start:m.End]
		switch m.Name {
		case "tools":
			// One look at all the tools: most bodies have none of these.
			if !bytes.Contains(v, []byte(`_20`)) && !bytes.Contains(v, []byte("mcp_toolset")) {
				continue
			}
			for _, t := range elements(v) {
				if tool, ok := object(t); ok {
					add(toolBeta(str(tool, "type")))
				}
			}
		case "messages":
			if bytes.Contains(v, []byte(`"file_id"`)) {
				add(betaFiles)
			}
		default:
			for _, beta := range memberBetas(m.Name, v) {
				add(beta)
			}
		}
	}
	return out
}

// memberBetas returns the betas that a top-level member of a body needs.
func memberBetas(name string, v []byte) []string {
	if !given(v) {
		return nil
	}
	switch name {
	case "mcp_servers":
		if bytes.Contains(v, []byte(`"tool_configuration"`)) {
			return []string{betaMCPOld}
		}
		return []string{betaMCP}
	case "context_management":
		if bytes.Contains(v, []byte(`"compact_`)) {
			return []string{betaContext, betaCompact}
		}
		return []string{betaContext}
	case "speed":
		if string(v) == `"fast"` {
			return []string{betaFast}
		}
	case "output_format":
		return []string{betaFormat}
	case "container":
		if bytes.Contains(v, []byte(`"skills"`)) {
			return []string{betaSkills}
		}
	}
	return nil
}
