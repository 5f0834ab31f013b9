package config

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"penstock/internal/gateway"
)

// StoreFailure says what happens to calls while the store that shares limits
// does not answer, by kind of limit: "local_share" (unless set), "open" or
// "closed".
type StoreFailure struct{ Requests, Tokens, Parallel, Budgets string }

func storeFailure(l *loader, n *node) {
	f := &l.cfg.Server.OnStoreFailure
	policy := choice("local_share", "open", "closed")
	if n.shape == mapping {
		l.apply(n, []key{
			bind("requests", policy, &f.Requests), bind("tokens", policy, &f.Tokens), bind("parallel", policy, &f.Parallel), bind("budgets", policy, &f.Budgets),
		})
		return
	}
	if p, ok := policy.read(l, n); ok {
		*f = StoreFailure{p, p, p, p}
	}
}

// redisParts is where Redis is, as far as it has been said.
type redisParts struct {
	url       gateway.Secret
	host      string
	port      int
	username  string
	password  gateway.Secret
	db        int
	tls       bool
	nodes     []string // of a cluster, "host:port"
	namespace string
}

// redisKeys are the settings of LiteLLM's Redis clients.
func redisKeys(r *redisParts) []key {
	return []key{
		bind("url", secret(), &r.url),
		use("host", text(), func(_ *loader, host string) { r.host, r.url = host, "" }),
		bind("port", whole[int](1, 65535), &r.port),
		bind("username", text(), &r.username),
		bind("password", secret(), &r.password),
		bind("db", whole[int](0, 1<<20), &r.db),
		bind("ssl", boolean(), &r.tls),
		bind("namespace", text(), &r.namespace),
		custom("redis_startup_nodes", "a list of {host, port}", func(l *loader, n *node) {
			items := []*node{n}
			if n.shape == list {
				items = n.items
			}
			for _, item := range items {
				var node clusterNode
				l.apply(item, []key{bind("host", text(), &node.Host), bind("port", whole[int](1, 65535), &node.Port)})
				r.nodes = append(r.nodes, node.address())
			}
		}),
	}
}

// clusterNode is an entry of REDIS_CLUSTER_NODES and redis_startup_nodes.
type clusterNode struct {
	Host string `json:"host"`
	Port int    `json:"port"`
}

func (n *clusterNode) address() string {
	port := n.Port
	if port == 0 {
		port = 6379
	}
	return net.JoinHostPort(strings.Trim(n.Host, "[]"), strconv.Itoa(port))
}

// clusterNodes reads REDIS_CLUSTER_NODES, which is JSON.
func clusterNodes() reader[[]string] {
	return one(`a JSON list like [{"host": "redis-1", "port": 6379}]`, func(text string) ([]string, bool) {
		var nodes []clusterNode
		if err := json.Unmarshal([]byte(text), &nodes); err != nil {
			return nil, false
		}
		out := make([]string, len(nodes))
		for i := range nodes {
			if nodes[i].Host == "" {
				return nil, false
			}
			out[i] = nodes[i].address()
		}
		return out, true
	})
}

// sharedRedis takes the Redis out of cache_params: LiteLLM counts limits in the
// cache's.
func sharedRedis(l *loader, n *node) {
	kind := "redis"
	var r redisParts
	ks := append(redisKeys(&r), use("type", text(), func(_ *loader, v string) { kind = v }))
	l.apply(n, append(ks, later(notYet, "mode", "ttl", "default_in_memory_ttl", "default_in_redis_ttl", "supported_call_types", "max_messages",
		"sentinel_nodes", "service_name", "sentinel_password", "redis_flush_size", "gcp_service_account", "gcp_ssl_ca_certs", "ssl_cert_reqs",
		"similarity_threshold", "s3_bucket_name", "s3_region_name", "s3_api_version", "s3_endpoint_url", "s3_path",
		"s3_aws_access_key_id", "s3_aws_secret_access_key", "s3_aws_session_token", "s3_use_ssl", "s3_verify", "s3_config",
		"gcs_bucket_name", "gcs_path_service_account", "gcs_path", "azure_account_url", "azure_blob_container", "disk_cache_dir",
		"qdrant_api_base", "qdrant_api_key", "qdrant_collection_name", "qdrant_quantization_config", "qdrant_semantic_cache_embedding_model",
		"redis_semantic_cache_embedding_model", "redis_semantic_cache_index_name", "valkey_semantic_cache_embedding_model", "embedding_timeout",
		"max_size_in_memory")...))
	if kind != "redis" && kind != "redis-semantic" && kind != "valkey-semantic" {
		return
	}
	if r.url != "" || r.host != "" || len(r.nodes) > 0 {
		if r.password == "" {
			r.password = l.redis.password
		}
		l.redis = r
	} else if r.namespace != "" {
		l.redis.namespace = r.namespace
	}
}

func (l *loader) finishRedis() {
	r := l.redis
	l.cfg.Server.RedisNodes, l.cfg.Server.RedisNamespace = r.nodes, r.namespace
	if len(r.nodes) > 0 && r.host == "" && r.url == "" {
		r.host, _, _ = net.SplitHostPort(r.nodes[0]) // as we made it
		_, port, _ := net.SplitHostPort(r.nodes[0])
		r.port, _ = strconv.Atoi(port)
	}
	switch {
	case r.url != "":
		l.cfg.Server.RedisURL = r.url
	case r.host != "":
		if r.port == 0 {
			r.port = 6379
		}
		u := url.URL{Scheme: "redis", Host: net.JoinHostPort(strings.Trim(r.host, "[]"), strconv.Itoa(r.port))}
		if r.tls {
			u.Scheme = "rediss"
		}
		if r.username != "" || r.password != "" {
			u.User = url.UserPassword(r.username, r.password.Reveal())
		}
		if r.db != 0 {
			u.Path = "/" + strconv.Itoa(r.db)
		}
		l.cfg.Server.RedisURL = gateway.Secret(u.String())
	}
}
