package admin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
	"penstock/internal/router"
)

// newSecret returns a new virtual key.
func newSecret() gateway.Secret {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process instead
	return gateway.Secret("sk-" + base64.RawURLEncoding.EncodeToString(b[:]))
}

// checkSecret refuses what cannot be a virtual key. The key itself stays out
// of the message, but for its ends.
func checkSecret(key string) error {
	switch {
	case !strings.HasPrefix(key, "sk-"):
		return invalid("key", "Invalid key format. LiteLLM Virtual Key must start with 'sk-'. Received: %s", masked(key))
	case len(key) < 16:
		return invalid("key", "Invalid key format. LiteLLM Virtual Key must be at least 16 characters long.")
	case len(key) > maxText:
		return invalid("key", "Invalid key format. LiteLLM Virtual Key must be at most %d characters long.", maxText)
	}
	for _, c := range []byte(key) {
		if c <= ' ' || c >= 0x7f {
			// It could not be sent in an Authorization header.
			return invalid("key", "Invalid key format. LiteLLM Virtual Key must be printable ASCII without spaces.")
		}
	}
	return nil
}

// keyHash returns the id of a key that was passed as the key itself or as its
// hash.
func keyHash(key string) string {
	if !strings.HasPrefix(key, "sk-") {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// isKey reports whether key is a key or the hash of one.
func isKey(key string) bool {
	if strings.HasPrefix(key, "sk-") {
		return true
	}
	return len(key) == 2*sha256.Size && strings.Trim(key, "0123456789abcdef") == ""
}

// keyName returns what people know the key by.
func keyName(key gateway.Secret) string {
	text := key.Reveal()
	if len(text) < 16 {
		return "sk-..."
	}
	return "sk-..." + text[len(text)-4:]
}

// keyFields are the fields of /key/generate and /key/update that we honour.
type keyFields struct {
	limitFields
	keptFields
	Key              Opt[string]              `json:"key"`
	Alias            Opt[string]              `json:"key_alias"`
	Duration         Opt[string]              `json:"duration"`
	Models           Opt[[]string]            `json:"models"`
	UserID           Opt[string]              `json:"user_id"`
	TeamID           Opt[string]              `json:"team_id"`
	OrganizationID   Opt[string]              `json:"organization_id"`
	ProjectID        Opt[string]              `json:"project_id"`
	BudgetID         Opt[string]              `json:"budget_id"`
	EndUserBudgetID  Opt[string]              `json:"end_user_budget_id"`
	Metadata         Opt[object]              `json:"metadata"`
	Permissions      Opt[object]              `json:"permissions"`
	ObjectPermission Opt[object]              `json:"object_permission"`
	RouterSettings   Opt[object]              `json:"router_settings"`
	Aliases          Opt[map[string]string]   `json:"aliases"`
	BudgetFallbacks  Opt[map[string][]string] `json:"budget_fallbacks"`
	AccessGroupIDs   Opt[[]string]            `json:"access_group_ids"`
	Blocked          Opt[bool]                `json:"blocked"`
	Tags             Opt[[]string]            `json:"tags"`
	AllowedRoutes    Opt[[]string]            `json:"allowed_routes"`
	AllowedIPs       Opt[[]string]            `json:"allowed_ips"`
	EnforcedParams   Opt[[]string]            `json:"enforced_params"`
	CacheControls    Opt[[]string]            `json:"allowed_cache_controls"`
	AutoRotate       Opt[bool]                `json:"auto_rotate"`
	RotationInterval Opt[string]              `json:"rotation_interval"`
	InviteEmail      Opt[bool]                `json:"send_invite_email"`
	logs             logFields                // of the metadata
	unknown
}

func (f keyFields) unknownFields() map[string]jsontext.Value { return f.unknownLimits(f.Unknown) }

// check refuses what no key can be. Whatever passes can be stored.
func (f *keyFields) check(now time.Time) error {
	if err := liftMeta(&f.Metadata, &f.finerFields, &f.Tags, &f.EnforcedParams, &f.EndUserBudgetID, &f.logs); err != nil {
		return err
	}
	return f.checkFields(now)
}

// checkFields is check for a body whose metadata is not the key's.
func (f *keyFields) checkFields(now time.Time) error {
	for _, t := range []struct{ name, value string }{
		{"key_alias", f.Alias.Value},
		{"user_id", f.UserID.Value},
		{"team_id", f.TeamID.Value},
		{"organization_id", f.OrganizationID.Value},
		{"project_id", f.ProjectID.Value},
		{"budget_id", f.BudgetID.Value},
		{"end_user_budget_id", f.EndUserBudgetID.Value},
	} {
		if err := checkText(t.name, t.value); err != nil {
			return err
		}
	}
	for _, t := range []struct {
		name   string
		values []string
	}{
		{"models", f.Models.Value},
		{"tags", f.Tags.Value},
		{"allowed_routes", f.AllowedRoutes.Value},
		{"enforced_params", f.EnforcedParams.Value},
		{"allowed_cache_controls", f.CacheControls.Value},
		{"access_group_ids", f.AccessGroupIDs.Value},
	} {
		if err := checkTexts(t.name, t.values); err != nil {
			return err
		}
	}
	if err := checkIPs(f.AllowedIPs.Value); err != nil {
		return err
	}
	if err := checkMap("aliases", f.Aliases.Value); err != nil {
		return err
	}
	for model, others := range f.BudgetFallbacks.Value {
		if err := checkTexts("budget_fallbacks", append([]string{model}, others...)); err != nil {
			return err
		}
	}
	if err := f.keptFields.check(); err != nil {
		return err
	}
	if b := f.RouterSettings.Or(nil); b != nil {
		if _, err := router.ParseOverride(b); err != nil {
			return invalid("router_settings", "router_settings: %v", err)
		}
	}
	if _, err := f.expires(now); err != nil {
		return err
	}
	if err := f.checkRotation(now); err != nil {
		return err
	}
	return f.limitFields.check(now)
}

// checkIPs refuses what is neither an address nor a range of them.
func checkIPs(values []string) error {
	for _, v := range values {
		if _, err := netip.ParseAddr(v); err == nil {
			continue
		}
		if _, err := netip.ParsePrefix(v); err != nil {
			return invalid("allowed_ips", "allowed_ips: want addresses and CIDR ranges like 10.0.0.0/8, got '%s'", shorten([]byte(v)))
		}
	}
	return nil
}

// expires returns the end of the key's life, zero for never.
func (f *keyFields) expires(now time.Time) (time.Time, error) {
	text := f.Duration.Or("")
	if text == "" || text == "-1" {
		return time.Time{}, nil
	}
	end, err := lifetime(text, now)
	if err != nil {
		return time.Time{}, invalid("duration", "Invalid duration '%s': %v", shorten([]byte(text)), err)
	}
	return end, nil
}

func (f *keyFields) checkRotation(now time.Time) error {
	interval := f.RotationInterval.Or("")
	if interval == "" {
		return nil
	}
	if _, err := lifetime(interval, now); err != nil {
		return invalid("rotation_interval", "Invalid rotation_interval '%s': %v", shorten([]byte(interval)), err)
	}
	return nil
}

// apply changes in k what was sent; null clears.
func (f *keyFields) apply(k *gateway.Key, now time.Time) error {
	setText(&k.Alias, f.Alias)
	setText(&k.UserID, f.UserID)
	setText(&k.TeamID, f.TeamID)
	setText(&k.OrganizationID, f.OrganizationID)
	setText(&k.ProjectID, f.ProjectID)
	setText(&k.BudgetID, f.BudgetID)
	setText(&k.EndUserBudgetID, f.EndUserBudgetID)
	setList(&k.Models, f.Models)
	setList(&k.Tags, f.Tags)
	setList(&k.AllowedRoutes, f.AllowedRoutes)
	setList(&k.AllowedIPs, f.AllowedIPs)
	setList(&k.EnforcedParams, f.EnforcedParams)
	setList(&k.CacheControls, f.CacheControls)
	setList(&k.AccessGroupIDs, f.AccessGroupIDs)
	setObject(&k.Metadata, f.Metadata)
	setObject(&k.Permissions, f.Permissions)
	setObject(&k.ObjectPermission, f.ObjectPermission)
	setObject(&k.RouterSettings, f.RouterSettings)
	f.keptFields.apply(&k.Metadata)
	if f.Aliases.Sent {
		k.Aliases = f.Aliases.Or(nil)
	}
	if f.BudgetFallbacks.Sent {
		k.BudgetFallbacks = f.BudgetFallbacks.Or(nil)
	}
	if f.Blocked.Sent {
		k.Blocked = f.Blocked.Or(false)
	}
	if f.Duration.Sent {
		end, err := f.expires(now)
		if err != nil {
			return err
		}
		k.Expires = end
	}
	if err := f.applyRotation(&k.Rotation, now); err != nil {
		return err
	}
	f.limitFields.apply(&k.Limits, now)
	return nil
}

// applyRotation notes when the key should be replaced.
func (f *keyFields) applyRotation(r *gateway.Rotation, now time.Time) error {
	if !f.AutoRotate.Sent && !f.RotationInterval.Sent {
		return nil
	}
	if f.AutoRotate.Sent {
		r.Auto = f.AutoRotate.Or(false)
	}
	setText(&r.Interval, f.RotationInterval)
	switch {
	case !r.Auto:
		r.Next = time.Time{}
	case r.Interval == "":
		return invalid("rotation_interval", "rotation_interval is missing: say how often a key with auto_rotate is replaced, like '30d'")
	default:
		next, err := lifetime(r.Interval, now)
		if err != nil {
			return invalid("rotation_interval", "Invalid rotation_interval '%s': %v", shorten([]byte(r.Interval)), err)
		}
		r.Next = next
	}
	return nil
}

// unused names the fields that were sent and that nothing acts on.
func (f *keyFields) unused() []string {
	names := append(f.keptFields.unused(), f.logs.unused()...)
	if f.InviteEmail.Or(false) {
		names = append(names, "send_invite_email") // no mail is sent
	}
	if f.ObjectPermission.Has() && asks(jsontext.Value(f.ObjectPermission.Value)) {
		names = append(names, "object_permission")
	}
	return names
}

// unusedOf is unused with what the configuration switches off.
func (a *API) unusedOf(f *keyFields) []string {
	names := f.unused()
	if f.AutoRotate.Or(false) && a.o.Settings().NoRotation {
		names = append(names, "auto_rotate")
	}
	return names
}

func setText(to *string, from Opt[string]) {
	if from.Sent {
		*to = from.Or("")
	}
}

func setList(to *[]string, from Opt[[]string]) {
	if from.Sent {
		*to = slices.Clone(from.Or(nil))
	}
}

func setObject(to *[]byte, from Opt[object]) {
	if from.Sent {
		*to = from.Or(nil)
	}
}

// routesOfType says what the types of keys may call.
func routesOfType(typ string) ([]string, error) {
	switch typ {
	case "", "default":
		return nil, nil
	case "llm_api":
		return []string{"llm_api_routes"}, nil
	case "management":
		return []string{"management_routes"}, nil
	case "read_only":
		return []string{"info_routes"}, nil
	}
	return nil, invalid("key_type", "key_type: want default, llm_api, management or read_only, got '%s'", typ)
}

// sent names the fields that carry a value.
func (f *keyFields) sent() map[string]bool {
	out := map[string]bool{
		"key": f.Key.Has(), "key_alias": f.Alias.Has(), "duration": f.Duration.Has(), "models": f.Models.Has(), "user_id": f.UserID.Has(), "team_id": f.TeamID.Has(),
		"organization_id": f.OrganizationID.Has(), "project_id": f.ProjectID.Has(), "budget_id": f.BudgetID.Has(), "metadata": f.Metadata.Has(),
		"permissions": f.Permissions.Has(), "object_permission": f.ObjectPermission.Has(), "router_settings": f.RouterSettings.Has(), "aliases": f.Aliases.Has(),
		"tags": f.Tags.Has(), "allowed_routes": f.AllowedRoutes.Has(), "enforced_params": f.EnforcedParams.Has(), "allowed_cache_controls": f.CacheControls.Has(),
		"max_budget": f.MaxBudget.Has(), "soft_budget": f.SoftBudget.Has(), "budget_duration": f.BudgetDuration.Has(), "budget_limits": f.Budgets.Has(),
		"tpm_limit": f.TPM.Has(), "rpm_limit": f.RPM.Has(), "tpd_limit": f.TPD.Has(), "max_parallel_requests": f.Parallel.Has(),
		"model_max_budget": f.ModelMaxBudget.Has(), "model_rpm_limit": f.ModelRPM.Has(), "model_tpm_limit": f.ModelTPM.Has(),
		"access_group_ids": f.AccessGroupIDs.Has(), "blocked": f.Blocked.Has(), "auto_rotate": f.AutoRotate.Has(), "rotation_interval": f.RotationInterval.Has(),
		"allowed_ips": f.AllowedIPs.Has(), "end_user_budget_id": f.EndUserBudgetID.Has(), "budget_fallbacks": f.BudgetFallbacks.Has(), "tag_rpm_limit": f.TagRPM.Has(), "spend": f.Spend.Has(),
	}
	for _, k := range f.all() {
		out[k.name] = k.field.Has()
	}
	return out
}
