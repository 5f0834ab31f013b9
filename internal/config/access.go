package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// Access says who may call, besides what keys and roles say. Empty lists check
// nothing.
type Access struct {
	AllowedIPs []netip.Prefix
	// ForwardedFor believes X-Forwarded-For: what TrustedProxies have added to
	// it or, if there are none, what the last proxy has.
	ForwardedFor   bool
	TrustedProxies []netip.Prefix
	// AllowedRoutes are all that anybody may call, AdminOnlyRoutes what only
	// proxy admins may, PublicRoutes what needs no key: routes, or names of
	// LiteLLM's groups of them.
	AllowedRoutes, AdminOnlyRoutes, PublicRoutes []string
	// EnforcedParams must stand in the body of every call, ServiceAccountParams
	// in those of service accounts: "user", "metadata.tags".
	EnforcedParams, ServiceAccountParams []string
	MaxResponseBytes                     int64 // of an answer that is not streamed; 0 is any size
}

// accessKeys are those of general_settings that decide who may call.
func (l *loader) accessKeys() []key {
	a := &l.cfg.Server.Access
	return []key{
		bind("allowed_ips", networks(), &a.AllowedIPs),
		bind("use_x_forwarded_for", boolean(), &a.ForwardedFor),
		bind("trusted_proxy_ranges", networks(), &a.TrustedProxies),
		bind("trusted_proxies", networks(), &a.TrustedProxies),
		bind("allowed_routes", words(), &a.AllowedRoutes),
		bind("admin_only_routes", words(), &a.AdminOnlyRoutes),
		bind("public_routes", words(), &a.PublicRoutes),
		bind("enforced_params", words(), &a.EnforcedParams),
		bind("enforce_fallback_model_access", boolean(), &l.cfg.Router.EnforceFallbackAccess),
		custom("service_account_settings", "a mapping with enforced_params", func(l *loader, n *node) {
			l.apply(n, []key{bind("enforced_params", words(), &a.ServiceAccountParams)})
		}),
		use("max_response_size_mb", number(), func(_ *loader, mb float64) {
			a.MaxResponseBytes = int64(min(mb, 1<<20) * (1 << 20))
		}),
	}
}

// networks is a list of addresses and ranges of them.
func networks() reader[[]netip.Prefix] {
	const kind = `a list of IP addresses and ranges like "10.0.0.0/8"`
	return reader[[]netip.Prefix]{kind, func(l *loader, n *node) ([]netip.Prefix, bool) {
		texts, ok := words().read(l, n)
		if !ok {
			return nil, false
		}
		out := make([]netip.Prefix, len(texts))
		for i, s := range texts {
			p, err := ParseNetwork(s)
			if err != nil {
				l.want(n, kind)
				return nil, false
			}
			out[i] = p
		}
		return out, true
	}}
}

// ParseNetwork reads an IP address, as a range of one, or a range.
func ParseNetwork(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return p, fmt.Errorf("want an IP address or a range like 10.0.0.0/8, got %q", s)
		}
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		return p.Masked(), nil
	}
	ip, err := netip.ParseAddr(s)
	if err != nil || ip.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("want an IP address or a range like 10.0.0.0/8, got %q", s)
	}
	ip = ip.Unmap()
	return netip.PrefixFrom(ip, ip.BitLen()), nil
}
