package gemini

import (
	"strings"

	"penstock/internal/gateway"
)

type usage struct {
	Prompt           count    `json:"promptTokenCount"`
	Candidates       count    `json:"candidatesTokenCount"`
	Thoughts         count    `json:"thoughtsTokenCount"`
	ToolUse          count    `json:"toolUsePromptTokenCount"`
	Cached           count    `json:"cachedContentTokenCount"`
	Total            count    `json:"totalTokenCount"`
	PromptDetails    []detail `json:"promptTokensDetails"`
	ToolUseDetails   []detail `json:"toolUsePromptTokensDetails"`
	CandidateDetails []detail `json:"candidatesTokensDetails"`
	TrafficType      string   `json:"trafficType"`
	ServiceTier      string   `json:"serviceTier"`
}

type detail struct {
	Modality string `json:"modality"`
	Tokens   count  `json:"tokenCount"`
}

// canonical returns u in the canonical form, where output includes thoughts
// and input includes what tools have read.
func (u *usage) canonical() gateway.Usage {
	c := gateway.Usage{
		Prompt:    int64(u.Prompt + u.ToolUse),
		CacheRead: int64(min(u.Cached, u.Prompt)),
		Reasoning: int64(u.Thoughts),
	}
	if u.Thoughts > 0 && u.Thoughts <= u.Candidates && u.Prompt+u.ToolUse+u.Candidates == u.Total {
		c.Completion = int64(u.Candidates) // thoughts are already in it
	} else {
		c.Completion = int64(u.Candidates + u.Thoughts)
	}
	for _, d := range append(u.PromptDetails, u.ToolUseDetails...) {
		switch d.Modality {
		case "AUDIO":
			c.AudioIn += int64(d.Tokens)
		case "IMAGE":
			c.ImageIn += int64(d.Tokens)
		}
	}
	for _, d := range u.CandidateDetails {
		switch d.Modality {
		case "AUDIO":
			c.AudioOut += int64(d.Tokens)
		case "IMAGE":
			c.ImageOut += int64(d.Tokens)
		}
	}
	switch tier := strings.ToLower(u.ServiceTier + " " + u.TrafficType); {
	case strings.Contains(tier, "flex"):
		c.Tier = "flex"
	case strings.Contains(tier, "priority"):
		c.Tier = "priority"
	}
	return c
}
