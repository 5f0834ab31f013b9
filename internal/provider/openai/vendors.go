package openai

// Vendors returns the table of vendors: one row each, OpenAI first.
//
// Left out are vendors with their own way to sign in or their own format.
func Vendors() []Vendor {
	return []Vendor{
		{
			Name: "openai", BaseURL: "https://api.openai.com/v1", KeyEnv: []string{"OPENAI_API_KEY"}, BaseEnv: "OPENAI_BASE_URL",
			OpenAI: true,
		},
		{Name: "abliteration", BaseURL: "https://api.abliteration.ai/v1", KeyEnv: []string{"ABLITERATION_API_KEY"}, BaseEnv: "ABLITERATION_API_BASE"},
		{
			Name: "ai21", BaseURL: "https://api.ai21.com/studio/v1", KeyEnv: []string{"AI21_API_KEY"}, BaseEnv: "AI21_API_BASE",
			Rename: maxTokens, Knows: []string{"tools", "tool_choice", "response_format", "max_tokens", "temperature", "stop", "n", "seed", "user"},
		},
		{
			Name: "ai21_chat", BaseURL: "https://api.ai21.com/studio/v1", KeyEnv: []string{"AI21_API_KEY"}, BaseEnv: "AI21_API_BASE",
			Rename: maxTokens, Knows: []string{"tools", "tool_choice", "response_format", "max_tokens", "temperature", "stop", "n", "seed", "user"},
		},
		{Name: "aihubmix", BaseURL: "https://aihubmix.com/v1", KeyEnv: []string{"AIHUBMIX_API_KEY"}, BaseEnv: "AIHUBMIX_API_BASE"},
		{Name: "aiml", BaseURL: "https://api.aimlapi.com/v1", KeyEnv: []string{"AIML_API_KEY", "AIMLAPI_KEY"}, BaseEnv: "AIML_API_BASE"},
		{Name: "amazon_nova", BaseURL: "https://api.nova.amazon.com/v1", KeyEnv: []string{"AMAZON_NOVA_API_KEY"}, BaseEnv: "AMAZON_NOVA_API_BASE"},
		{Name: "anyscale", BaseURL: "https://api.endpoints.anyscale.com/v1", KeyEnv: []string{"ANYSCALE_API_KEY"}, BaseEnv: "ANYSCALE_API_BASE"},
		{
			Name: "apertis", BaseURL: "https://api.stima.tech/v1", KeyEnv: []string{"STIMA_API_KEY"}, BaseEnv: "APERTIS_API_BASE",
			Rename: maxTokens,
		},
		{Name: "assemblyai", BaseURL: "https://llm-gateway.assemblyai.com/v1", KeyEnv: []string{"ASSEMBLYAI_API_KEY"}, BaseEnv: "ASSEMBLYAI_API_BASE"},
		{
			Name: "baseten", BaseURL: "https://inference.baseten.co/v1", KeyEnv: []string{"BASETEN_API_KEY"}, BaseEnv: "BASETEN_API_BASE",
			Rename: maxTokens,
		},
		{
			Name: "cerebras", BaseURL: "https://api.cerebras.ai/v1", KeyEnv: []string{"CEREBRAS_API_KEY"}, BaseEnv: "CEREBRAS_API_BASE",
			Rename: maxTokens, Knows: []string{"max_tokens", "response_format", "seed", "stop", "temperature", "top_p", "tools", "tool_choice", "parallel_tool_calls", "user", "reasoning_effort"},
		},
		{
			Name: "charity_engine", BaseURL: "https://api.charityengine.services/remotejobs/v2/inference", KeyEnv: []string{"CHARITY_ENGINE_API_KEY"}, BaseEnv: "CHARITY_ENGINE_API_BASE",
			Rename: maxTokens,
		},
		{
			Name: "chutes", BaseURL: "https://llm.chutes.ai/v1", KeyEnv: []string{"CHUTES_API_KEY"}, BaseEnv: "CHUTES_API_BASE",
			Rename: maxTokens,
		},
		{Name: "cloudflare", KeyEnv: []string{"CLOUDFLARE_API_KEY"}, BaseEnv: "CLOUDFLARE_API_BASE"},
		{
			Name: "codestral", BaseURL: "https://codestral.mistral.ai/v1", KeyEnv: []string{"CODESTRAL_API_KEY"}, BaseEnv: "CODESTRAL_API_BASE",
			Rename: []Rename{{"max_completion_tokens", "max_tokens"}, {"seed", "random_seed"}}, Lacks: []string{"logprobs", "top_logprobs", "logit_bias"}, NoStreamOptions: true, TextOnly: true, NoNames: true,
		},
		{Name: "cognition", BaseURL: "https://api.cognition.ai/v1", KeyEnv: []string{"COGNITION_API_KEY"}, BaseEnv: "COGNITION_API_BASE"},
		{Name: "cometapi", BaseURL: "https://api.cometapi.com/v1", KeyEnv: []string{"COMETAPI_KEY", "COMETAPI_API_KEY"}, BaseEnv: "COMETAPI_BASE_URL"},
		{Name: "compactifai", BaseURL: "https://api.compactif.ai/v1", KeyEnv: []string{"COMPACTIFAI_API_KEY"}, BaseEnv: "COMPACTIFAI_API_BASE"},
		{Name: "cortecs", BaseURL: "https://api.cortecs.ai/v1", KeyEnv: []string{"CORTECS_API_KEY"}, BaseEnv: "CORTECS_API_BASE"},
		{
			Name: "crusoe", BaseURL: "https://managed-inference-api-proxy.crusoecloud.com/v1", KeyEnv: []string{"CRUSOE_API_KEY"}, BaseEnv: "CRUSOE_API_BASE",
			Rename: maxTokens,
		},
		{
			Name:    "custom_openai",
			Keyless: true, Loose: true, NoStreamOptions: true,
		},
		{
			Name: "darkbloom", BaseURL: "https://api.darkbloom.dev/v1", KeyEnv: []string{"DARKBLOOM_API_KEY"}, BaseEnv: "DARKBLOOM_API_BASE",
			Rename: maxTokens,
		},
		{
			Name: "dashscope", BaseURL: "https://dashscope.aliyuncs.com/compatible-mode/v1", KeyEnv: []string{"DASHSCOPE_API_KEY"}, BaseEnv: "DASHSCOPE_API_BASE",
			KeepCache: true,
		},
		{
			Name: "databricks", KeyEnv: []string{"DATABRICKS_API_KEY", "DATABRICKS_TOKEN"}, BaseEnv: "DATABRICKS_API_BASE",
			NoStreamOptions: true, KeepCache: true, Thinking: true,
		},
		{Name: "datarobot", BaseURL: "https://app.datarobot.com/api/v2/genai/llmgw", KeyEnv: []string{"DATAROBOT_API_TOKEN"}, BaseEnv: "DATAROBOT_ENDPOINT"},
		{
			Name: "deepinfra", BaseURL: "https://api.deepinfra.com/v1/openai", KeyEnv: []string{"DEEPINFRA_API_KEY"}, BaseEnv: "DEEPINFRA_API_BASE",
			Rename: maxTokens, ToolChoices: []string{"auto", "none"},
		},
		{
			Name: "deepseek", BaseURL: "https://api.deepseek.com/beta", KeyEnv: []string{"DEEPSEEK_API_KEY"}, BaseEnv: "DEEPSEEK_API_BASE",
			Rename: maxTokens, TextOnly: true, KeepReasoning: true, Thinking: true, NoJSONSchema: true,
		},
		{
			Name: "docker_model_runner", BaseURL: "http://localhost:22088/engines/llama.cpp/v1", BaseEnv: "DOCKER_MODEL_RUNNER_API_BASE",
			Keyless: true, Rename: maxTokens,
		},
		{Name: "edenai", BaseURL: "https://api.edenai.run/v3", KeyEnv: []string{"EDENAI_API_KEY"}, BaseEnv: "EDENAI_API_BASE"},
		{
			Name: "empiriolabs", BaseURL: "https://api.empiriolabs.ai/v1", KeyEnv: []string{"EMPIRIOLABS_API_KEY"}, BaseEnv: "EMPIRIOLABS_API_BASE",
			Rename: maxTokens,
		},
		{Name: "empower", BaseURL: "https://app.empower.dev/api/v1", KeyEnv: []string{"EMPOWER_API_KEY"}, BaseEnv: "EMPOWER_API_BASE"},
		{
			Name: "featherless_ai", BaseURL: "https://api.featherless.ai/v1", KeyEnv: []string{"FEATHERLESS_AI_API_KEY", "FEATHERLESS_API_KEY"}, BaseEnv: "FEATHERLESS_AI_API_BASE",
			Rename: maxTokens, Lacks: []string{"tools"}, ToolChoices: []string{"auto", "none"},
		},
		{
			Name: "fireworks_ai", BaseURL: "https://api.fireworks.ai/inference/v1", KeyEnv: []string{"FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY", "FIREWORKSAI_API_KEY", "FIREWORKS_AI_TOKEN"}, BaseEnv: "FIREWORKS_API_BASE",
			Rename: maxTokens, RequiredIsAny: true, ModelPrefix: "accounts/fireworks/models/",
		},
		{Name: "friendliai", BaseURL: "https://api.friendli.ai/serverless/v1", KeyEnv: []string{"FRIENDLIAI_API_KEY", "FRIENDLI_TOKEN"}, BaseEnv: "FRIENDLI_API_BASE"},
		{Name: "galadriel", BaseURL: "https://api.galadriel.com/v1", KeyEnv: []string{"GALADRIEL_API_KEY"}, BaseEnv: "GALADRIEL_API_BASE"},
		{Name: "github", BaseURL: "https://models.inference.ai.azure.com", KeyEnv: []string{"GITHUB_API_KEY"}, BaseEnv: "GITHUB_API_BASE"},
		{Name: "gmi", BaseURL: "https://api.gmi-serving.com/v1", KeyEnv: []string{"GMI_API_KEY"}, BaseEnv: "GMI_API_BASE"},
		{
			Name: "gradient_ai", BaseURL: "https://inference.do-ai.run", KeyEnv: []string{"GRADIENT_AI_API_KEY"}, BaseEnv: "GRADIENT_AI_API_BASE",
			Path: "/v1/chat/completions",
		},
		{
			Name: "groq", BaseURL: "https://api.groq.com/openai/v1", KeyEnv: []string{"GROQ_API_KEY"}, BaseEnv: "GROQ_API_BASE",
			Lacks: []string{"logprobs", "logit_bias", "top_logprobs"}, NoNames: true,
		},
		{Name: "helicone", BaseURL: "https://ai-gateway.helicone.ai", KeyEnv: []string{"HELICONE_API_KEY"}, BaseEnv: "HELICONE_API_BASE"},
		{
			Name: "heroku", KeyEnv: []string{"HEROKU_API_KEY"}, BaseEnv: "HEROKU_API_BASE",
			Path: "/v1/chat/completions",
		},
		{
			Name: "hosted_vllm", KeyEnv: []string{"HOSTED_VLLM_API_KEY"}, BaseEnv: "HOSTED_VLLM_API_BASE",
			Keyless: true,
		},
		{Name: "huggingface", BaseURL: "https://router.huggingface.co/v1", KeyEnv: []string{"HF_TOKEN", "HUGGINGFACE_API_KEY"}, BaseEnv: "HF_API_BASE"},
		{Name: "hyperbolic", BaseURL: "https://api.hyperbolic.xyz/v1", KeyEnv: []string{"HYPERBOLIC_API_KEY"}, BaseEnv: "HYPERBOLIC_API_BASE"},
		{Name: "inception", BaseURL: "https://api.inceptionlabs.ai/v1", KeyEnv: []string{"INCEPTION_API_KEY"}, BaseEnv: "INCEPTION_API_BASE"},
		{Name: "jina_ai", BaseURL: "https://api.jina.ai/v1", KeyEnv: []string{"JINA_AI_API_KEY", "JINA_API_KEY", "JINA_AI_TOKEN"}, BaseEnv: "JINA_AI_API_BASE"},
		{Name: "lambda_ai", BaseURL: "https://api.lambda.ai/v1", KeyEnv: []string{"LAMBDA_API_KEY"}, BaseEnv: "LAMBDA_API_BASE"},
		{
			Name: "lemonade", BaseURL: "http://localhost:8000/api/v1", BaseEnv: "LEMONADE_API_BASE",
			Keyless: true,
		},
		{
			Name: "libertai", BaseURL: "https://api.libertai.io/v1", KeyEnv: []string{"LIBERTAI_API_KEY"}, BaseEnv: "LIBERTAI_API_BASE",
			Rename: maxTokens,
		},
		{
			Name: "litellm_proxy", KeyEnv: []string{"LITELLM_PROXY_API_KEY"}, BaseEnv: "LITELLM_PROXY_API_BASE",
			Loose: true, KeepCache: true, KeepReasoning: true, Thinking: true,
		},
		{
			Name: "llamafile", BaseURL: "http://127.0.0.1:8080/v1", BaseEnv: "LLAMAFILE_API_BASE",
			Keyless: true,
		},
		{
			Name: "llamagate", BaseURL: "https://api.llamagate.dev/v1", KeyEnv: []string{"LLAMAGATE_API_KEY"}, BaseEnv: "LLAMAGATE_API_BASE",
			Rename: maxTokens,
		},
		{
			Name: "lm_studio", BaseEnv: "LM_STUDIO_API_BASE",
			Keyless: true, NoJSONObject: true,
		},
		{Name: "meta", BaseURL: "https://api.meta.ai/v1", KeyEnv: []string{"META_API_KEY"}, BaseEnv: "META_API_BASE"},
		{
			Name: "meta_llama", BaseURL: "https://api.llama.com/compat/v1", KeyEnv: []string{"LLAMA_API_KEY"}, BaseEnv: "LLAMA_API_BASE",
			NoJSONObject: true,
		},
		{
			Name: "minimax", BaseURL: "https://api.minimax.io/v1", KeyEnv: []string{"MINIMAX_API_KEY"}, BaseEnv: "MINIMAX_API_BASE",
			KeepCache: true, Thinking: true,
		},
		{
			Name: "mistral", BaseURL: "https://api.mistral.ai/v1", KeyEnv: []string{"MISTRAL_API_KEY"}, BaseEnv: "MISTRAL_API_BASE",
			Rename: []Rename{{"max_completion_tokens", "max_tokens"}, {"seed", "random_seed"}}, Lacks: []string{"logprobs", "top_logprobs", "logit_bias"}, NoStreamOptions: true, TextOnly: true, NoNames: true,
		},
		{Name: "modelscope", BaseURL: "https://api-inference.modelscope.cn/v1", KeyEnv: []string{"MODELSCOPE_API_KEY"}, BaseEnv: "MODELSCOPE_API_BASE"},
		{
			Name: "moonshot", BaseURL: "https://api.moonshot.ai/v1", KeyEnv: []string{"MOONSHOT_API_KEY"}, BaseEnv: "MOONSHOT_API_BASE",
			Lacks: []string{"functions", "function_call"}, ToolChoices: []string{"auto", "none"}, TextOnly: true, KeepReasoning: true, MaxTemperature: "1",
		},
		{
			Name: "morph", BaseURL: "https://api.morphllm.com/v1", KeyEnv: []string{"MORPH_API_KEY"}, BaseEnv: "MORPH_API_BASE",
			Knows: []string{},
		},
		{Name: "nadir", BaseURL: "https://api.getnadir.com/v1", KeyEnv: []string{"NADIR_API_KEY"}, BaseEnv: "NADIR_API_BASE"},
		{
			Name: "nano-gpt", BaseURL: "https://nano-gpt.com/api/v1", KeyEnv: []string{"NANOGPT_API_KEY"}, BaseEnv: "NANO_GPT_API_BASE",
			Rename: maxTokens,
		},
		{
			Name: "nebius", BaseURL: "https://api.studio.nebius.ai/v1", KeyEnv: []string{"NEBIUS_API_KEY"}, BaseEnv: "NEBIUS_API_BASE",
			Rename: maxTokens,
		},
		{
			Name: "neosantara", BaseURL: "https://api.neosantara.xyz/v1", KeyEnv: []string{"NEOSANTARA_API_KEY"}, BaseEnv: "NEOSANTARA_API_BASE",
			Rename: maxTokens,
		},
		{Name: "novita", BaseURL: "https://api.novita.ai/v3/openai", KeyEnv: []string{"NOVITA_API_KEY"}, BaseEnv: "NOVITA_API_BASE"},
		{
			Name: "nscale", BaseURL: "https://inference.api.nscale.com/v1", KeyEnv: []string{"NSCALE_API_KEY"}, BaseEnv: "NSCALE_API_BASE",
			Rename: maxTokens, Knows: []string{"max_tokens", "n", "temperature", "top_p", "logprobs", "top_logprobs", "presence_penalty", "frequency_penalty", "response_format", "stop", "logit_bias"},
		},
		{
			Name: "nvidia_nim", BaseURL: "https://integrate.api.nvidia.com/v1", KeyEnv: []string{"NVIDIA_NIM_API_KEY"}, BaseEnv: "NVIDIA_NIM_API_BASE",
			Rename: maxTokens,
		},
		{
			Name: "ollama", BaseURL: "http://localhost:11434", KeyEnv: []string{"OLLAMA_API_KEY"}, BaseEnv: "OLLAMA_API_BASE",
			BaseSuffix: "/v1", Keyless: true,
		},
		{
			Name: "ollama_chat", BaseURL: "http://localhost:11434", KeyEnv: []string{"OLLAMA_API_KEY"}, BaseEnv: "OLLAMA_API_BASE",
			BaseSuffix: "/v1", Keyless: true,
		},
		{
			Name:    "openai_like",
			Keyless: true, Loose: true, NoStreamOptions: true,
		},
		{
			Name: "openrouter", BaseURL: "https://openrouter.ai/api/v1", KeyEnv: []string{"OPENROUTER_API_KEY", "OR_API_KEY"}, BaseEnv: "OPENROUTER_API_BASE",
			KeepCache: true, KeepReasoning: true, Thinking: true,
		},
		{Name: "ovhcloud", BaseURL: "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1", KeyEnv: []string{"OVHCLOUD_API_KEY"}, BaseEnv: "OVHCLOUD_API_BASE"},
		{Name: "parasail", BaseURL: "https://api.parasail.io/v1", KeyEnv: []string{"PARASAIL_API_KEY"}, BaseEnv: "PARASAIL_API_BASE"},
		{
			Name: "perplexity", BaseURL: "https://api.perplexity.ai", KeyEnv: []string{"PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"}, BaseEnv: "PERPLEXITY_API_BASE",
			Rename: maxTokens, Knows: []string{"max_tokens", "temperature", "top_p", "presence_penalty", "frequency_penalty", "response_format", "reasoning_effort", "web_search_options"}, NoStreamOptions: true,
		},
		{
			Name: "pinstripes", BaseURL: "https://pinstripes.io/v1", KeyEnv: []string{"PINSTRIPES_API_KEY"}, BaseEnv: "PINSTRIPES_API_BASE",
			Rename: maxTokens,
		},
		{
			Name: "poe", BaseURL: "https://api.poe.com/v1", KeyEnv: []string{"POE_API_KEY"}, BaseEnv: "POE_API_BASE",
			Rename: maxTokens,
		},
		{Name: "prism", BaseURL: "https://api.prisminference.com/v1", KeyEnv: []string{"PRISM_API_KEY"}, BaseEnv: "PRISM_API_BASE"},
		{
			Name: "publicai", BaseURL: "https://api.publicai.co/v1", KeyEnv: []string{"PUBLICAI_API_KEY"}, BaseEnv: "PUBLICAI_API_BASE",
			Rename: maxTokens, TextOnly: true,
		},
		{
			Name: "qwen_ai_platform", BaseURL: "https://dashscope.aliyuncs.com/compatible-mode/v1", KeyEnv: []string{"QWEN_AI_PLATFORM_API_KEY"}, BaseEnv: "QWEN_AI_PLATFORM_API_BASE",
			KeepCache: true,
		},
		{
			Name: "qwencloud", BaseURL: "https://dashscope.aliyuncs.com/compatible-mode/v1", KeyEnv: []string{"QWENCLOUD_API_KEY"}, BaseEnv: "QWENCLOUD_API_BASE",
			KeepCache: true,
		},
		{Name: "reka", BaseURL: "https://api.reka.ai/v1", KeyEnv: []string{"REKA_API_KEY"}, BaseEnv: "REKA_API_BASE"},
		{Name: "sail", BaseURL: "https://api.sailresearch.com/v1", KeyEnv: []string{"SAIL_API_KEY"}, BaseEnv: "SAIL_API_BASE"},
		{
			Name: "sambanova", BaseURL: "https://api.sambanova.ai/v1", KeyEnv: []string{"SAMBANOVA_API_KEY"}, BaseEnv: "SAMBANOVA_API_BASE",
			Rename: maxTokens, TextOnly: true,
		},
		{
			Name: "sarvam", BaseURL: "https://api.sarvam.ai/v1", KeyEnv: []string{"SARVAM_API_KEY"}, BaseEnv: "SARVAM_API_BASE",
			AuthHeader: "api-subscription-key", Rename: maxTokens,
		},
		{Name: "scaleway", BaseURL: "https://api.scaleway.ai/v1", KeyEnv: []string{"SCW_SECRET_KEY"}, BaseEnv: "SCALEWAY_API_BASE"},
		{
			Name: "scx-ai", BaseURL: "https://api.scx.ai/v1", KeyEnv: []string{"SCX_API_KEY"}, BaseEnv: "SCX_AI_API_BASE",
			Rename: maxTokens, MaxTemperature: "1.99",
		},
		{
			Name: "synthetic", BaseURL: "https://api.synthetic.new/openai/v1", KeyEnv: []string{"SYNTHETIC_API_KEY"}, BaseEnv: "SYNTHETIC_API_BASE",
			Rename: maxTokens,
		},
		{Name: "tencent", BaseURL: "https://tokenhub-intl.tencentcloudmaas.com/v1", KeyEnv: []string{"TENCENT_API_KEY"}, BaseEnv: "TENCENT_API_BASE"},
		{
			Name: "tensormesh", BaseURL: "https://serverless.tensormesh.ai/v1", KeyEnv: []string{"TENSORMESH_INFERENCE_API_KEY"}, BaseEnv: "TENSORMESH_SERVERLESS_BASE_URL",
			Rename: maxTokens,
		},
		{Name: "together_ai", BaseURL: "https://api.together.ai/v1", KeyEnv: []string{"TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_TOKEN"}, BaseEnv: "TOGETHER_AI_API_BASE"},
		{
			Name: "v0", BaseURL: "https://api.v0.dev/v1", KeyEnv: []string{"V0_API_KEY"}, BaseEnv: "V0_API_BASE",
			Knows: []string{"tools", "tool_choice"},
		},
		{Name: "veniceai", BaseURL: "https://api.venice.ai/api/v1", KeyEnv: []string{"VENICE_AI_API_KEY"}, BaseEnv: "VENICEAI_API_BASE"},
		{Name: "vercel_ai_gateway", BaseURL: "https://ai-gateway.vercel.sh/v1", KeyEnv: []string{"VERCEL_AI_GATEWAY_API_KEY", "VERCEL_OIDC_TOKEN"}, BaseEnv: "VERCEL_AI_GATEWAY_API_BASE"},
		{
			Name: "volcengine", BaseURL: "https://ark.cn-beijing.volces.com/api/v3", KeyEnv: []string{"VOLCENGINE_API_KEY", "ARK_API_KEY"}, BaseEnv: "VOLCENGINE_API_BASE",
			Thinking: true,
		},
		{Name: "voyage", BaseURL: "https://api.voyageai.com/v1", KeyEnv: []string{"VOYAGE_API_KEY", "VOYAGE_AI_API_KEY", "VOYAGE_AI_TOKEN"}, BaseEnv: "VOYAGE_API_BASE"},
		{Name: "wandb", BaseURL: "https://api.inference.wandb.ai/v1", KeyEnv: []string{"WANDB_API_KEY"}, BaseEnv: "WANDB_API_BASE"},
		{
			Name: "xai", BaseURL: "https://api.x.ai/v1", KeyEnv: []string{"XAI_API_KEY"}, BaseEnv: "XAI_API_BASE",
			Rename: maxTokens, NoNames: true,
		},
		{
			Name: "xiaomi_mimo", BaseURL: "https://api.xiaomimimo.com/v1", KeyEnv: []string{"XIAOMI_MIMO_API_KEY"}, BaseEnv: "XIAOMI_MIMO_API_BASE",
			Rename: maxTokens,
		},
		{
			Name: "xinference", KeyEnv: []string{"XINFERENCE_API_KEY"}, BaseEnv: "XINFERENCE_API_BASE",
			Keyless: true,
		},
		{
			Name: "zai", BaseURL: "https://api.z.ai/api/paas/v4", KeyEnv: []string{"ZAI_API_KEY"}, BaseEnv: "ZAI_API_BASE",
			Rename: maxTokens, Knows: []string{"max_tokens", "temperature", "top_p", "stop", "tools", "tool_choice", "thinking", "response_format"}, KeepCache: true, Thinking: true,
		},
	}
}
