package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// vendors are the provider names that LiteLLM knows. They tell azure/gpt-4o, a
// provider and a model, from meta-llama/llama-3, a model with a slash.
var vendors = strings.Fields(`
ai21 ai21_chat aiml aiohttp_openai aleph_alpha amazon_nova anthropic anthropic_text anyscale assemblyai auto_router
aws_polly azure azure_ai azure_text baseten bedrock bedrock_converse bedrock_mantle bytez cerebras chutes clarifai
cloudflare codestral cohere cohere_chat cometapi compactifai complexity_router custom custom_openai dashscope databricks
datarobot deepgram deepinfra deepseek docker_model_runner elevenlabs empower fal_ai featherless_ai fireworks_ai
friendliai galadriel gemini gigachat github github_copilot gmi gradient_ai groq heroku hosted_vllm huggingface
hyperbolic infinity jina_ai lambda_ai langgraph lemonade litellm_proxy llamafile llama lm_studio manus maritalk
meta_llama milvus minimax mistral moonshot morph nebius nlp_cloud novita nscale nvidia_nim oci ollama ollama_chat
oobabooga openai openai_like openrouter ovhcloud palm perplexity petals pg_vector poe predibase publicai ragflow recraft
replicate runwayml sagemaker sagemaker_chat sambanova sap snowflake stability synthetic text-completion-codestral
text-completion-openai together_ai topaz triton v0 vercel_ai_gateway vertex_ai vertex_ai_beta vllm volcengine voyage
wandb watsonx watsonx_text xai xiaomi_mimo xinference zai`)

// endpoints are vendors' own base URLs, as host and path.
var endpoints = []struct{ host, path, provider string }{
	{"api.openai.com", "", "openai"},
	{"api.anthropic.com", "", "anthropic"},
	{"generativelanguage.googleapis.com", "", "gemini"},
	{"api.groq.com", "/openai/v1", "groq"},
	{"api.mistral.ai", "/v1", "mistral"},
	{"codestral.mistral.ai", "/v1/chat/completions", "codestral"},
	{"codestral.mistral.ai", "/v1/fim/completions", "text-completion-codestral"},
	{"api.deepseek.com", "", "deepseek"},
	{"api.x.ai", "/v1", "xai"},
	{"api.together.ai", "/v1", "together_ai"},
	{"api.together.xyz", "/v1", "together_ai"},
	{"api.fireworks.ai", "/inference/v1", "fireworks_ai"},
	{"openrouter.ai", "/api/v1", "openrouter"},
	{"api.perplexity.ai", "", "perplexity"},
	{"api.deepinfra.com", "/v1/openai", "deepinfra"},
	{"api.cerebras.ai", "/v1", "cerebras"},
	{"integrate.api.nvidia.com", "/v1", "nvidia_nim"},
	{"api.sambanova.ai", "/v1", "sambanova"},
	{"api.voyageai.com", "/v1", "voyage"},
	{"api.jina.ai", "/v1", "jina_ai"},
	{"api.endpoints.anyscale.com", "/v1", "anyscale"},
	{"inference.baseten.co", "/v1", "baseten"},
	{"models.inference.ai.azure.com", "", "github"},
	{"models.github.ai", "/inference", "github"},
	{"api.ai21.com", "/studio/v1", "ai21_chat"},
	{"api.moonshot.ai", "/v1", "moonshot"},
	{"api.studio.nebius.ai", "/v1", "nebius"},
	{"api.novita.ai", "/v3/openai", "novita"},
	{"dashscope-intl.aliyuncs.com", "/compatible-mode/v1", "dashscope"},
	{"ai-gateway.vercel.sh", "/v1", "vercel_ai_gateway"},
	{"api.hyperbolic.xyz", "/v1", "hyperbolic"},
	{"api.lambda.ai", "/v1", "lambda_ai"},
	{"api.featherless.ai", "/v1", "featherless_ai"},
	{"api.friendli.ai", "/serverless/v1", "friendliai"},
	{"inference.api.nscale.com", "/v1", "nscale"},
	{"api.llama.com", "/compat/v1", "meta_llama"},
	{"api.v0.dev", "/v1", "v0"},
	{"api.z.ai", "/api/paas/v4", "zai"},
}

// families are rules for names that are not in the price table, newer models
// for the most part.
var families = []struct {
	name     *regexp.Regexp
	provider string
}{
	{regexp.MustCompile(`^claude-[a-z]+-\d`), "anthropic"},
	{regexp.MustCompile(`^claude-(\d|instant)`), "anthropic"},
	{regexp.MustCompile(`^([a-z]+\.)?anthropic\.claude-`), "bedrock"},
	{regexp.MustCompile(`^(ft:)?(gpt-|chatgpt-|o[134](-|$)|text-embedding-(3|ada)|dall-e|whisper-1|tts-1|omni-moderation)`), "openai"},
	{regexp.MustCompile(`^command`), "cohere_chat"},
	{regexp.MustCompile(`^gemini-`), "vertex_ai"},
}

// Provider tells which provider serves a model and what the vendor calls it.
// custom is the deployment's custom_llm_provider and base its api_base, both
// may be "". The catch-all model "*" has no provider until a client has named
// a model: call it again then. ok is false if nothing tells the provider.
func (o Options) Provider(model, custom, base string) (provider, upstream string, ok bool) {
	prefix, rest, slash := strings.Cut(model, "/")
	switch {
	case custom != "":
		if slash && prefix == custom {
			return custom, rest, true
		}
		return custom, model, true
	case slash && rest != "" && o.vendor(prefix):
		return prefix, rest, true
	case model == "*" && base == "":
		return "", model, true
	}
	if base != "" {
		p := endpointProvider(base)
		return p, model, p != ""
	}
	if o.PriceProvider != nil {
		if p := o.PriceProvider(model); p != "" {
			return p, model, true
		}
	}
	for _, f := range families {
		if f.name.MatchString(model) {
			return f.provider, model, true
		}
	}
	return "", model, false
}

func (o Options) vendor(name string) bool {
	return slices.Contains(o.Known, name) || slices.Contains(vendors, name)
}

// adapter reports whether deployments of the provider can be served.
func (o Options) adapter(provider string) bool {
	return o.Known == nil || slices.Contains(o.Known, provider)
}

// endpointProvider compares the parsed host and whole path segments. A search
// for the text would send a key from the environment to
// https://evil.example/?x=api.groq.com/openai/v1.
func endpointProvider(base string) string {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" {
		return ""
	}
	for _, e := range endpoints {
		if u.Hostname() != e.host || u.Port() != "" && u.Port() != "443" {
			continue
		}
		if rest, ok := strings.CutPrefix(u.Path, e.path); ok && (rest == "" || rest[0] == '/') {
			return e.provider
		}
	}
	return ""
}
