package admin

import (
	"bytes"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"penstock/internal/gateway"
)

// The tables of the audit log, by the names that LiteLLM has for them.
const (
	keyTable          = "LiteLLM_VerificationToken"
	userTable         = "LiteLLM_UserTable"
	teamTable         = "LiteLLM_TeamTable"
	projectTable      = "LiteLLM_ProjectTable"
	organizationTable = "LiteLLM_OrganizationTable"
	endUserTable      = "LiteLLM_EndUserTable"
	budgetTable       = "LiteLLM_BudgetTable"
	tagTable          = "LiteLLM_TagTable"
	modelTable        = "LiteLLM_ProxyModelTable"
	credentialTable   = "LiteLLM_CredentialsTable" //nolint:gosec // G101: a name
	accessGroupTable  = "LiteLLM_AccessGroupTable"
)

// What the audit log says that was done.
const (
	created   = "created"
	changed   = "updated"
	removed   = "deleted"
	blocked   = "blocked"
	unblocked = "unblocked"
	rotated   = "rotated"
)

// entry returns a new entry of the audit log. It is written by the change that
// is made with store.Audited; whoever makes it sets Before and After by snapshot.
func (a *API) entry(r *http.Request, p *gateway.Principal, action, table, id string) *gateway.AuditEntry {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	// The pattern and not the path: that may hold a key.
	_, route, _ := strings.Cut(r.Pattern, " ")
	return &gateway.AuditEntry{
		ID: orderedID(), At: a.now(), Actor: changedBy(r, p), ActorKey: p.KeyHash(),
		Action: action, Table: table, ObjectID: id, ClientIP: ip, RequestURL: route,
	}
}

// orderedID returns a new id; later ones are greater, so that entries of one
// moment stand in the order in which they were made.
func orderedID() string {
	return uuid.Must(uuid.NewV7()).String() // it fails only without randomness, which ends the process
}

// changedByHeader names who really made a change, for keys of programs that act
// for people.
const changedByHeader = "litellm-changed-by"

// changedBy is whom the audit log names: the caller, or whom it names itself if
// its key's or team's metadata allows that.
func changedBy(r *http.Request, p *gateway.Principal) string {
	name := r.Header.Get(changedByHeader)
	if name == "" || checkText(changedByHeader, name) != nil {
		return actor(p)
	}
	if p.Key != nil && allowsChangedBy(p.Key.Metadata) || p.Team != nil && allowsChangedBy(p.Team.Metadata) {
		return name
	}
	return actor(p)
}

func allowsChangedBy(metadata []byte) bool {
	var m struct {
		Allow bool `json:"allow_litellm_changed_by_header"`
	}
	return len(metadata) > 0 && json.Unmarshal(metadata, &m) == nil && m.Allow
}

// snapshot returns a row as the audit log keeps it: as JSON, without secrets.
func snapshot(row any) []byte {
	raw, err := json.Marshal(row, json.Deterministic(true))
	if err != nil {
		return nil // only a bug of ours: every row is a type of this package
	}
	out, err := maskSecrets(raw)
	if err != nil {
		return nil // raw is valid: it was just made
	}
	return out
}

// secretNames are parts of the names of members whose text is nobody's business.
var secretNames = [...]string{
	"secret", "password", "api_key", "apikey", "private_key", "access_key", "authorization", "credential_values", "credentials", "auth_token", "access_token", "refresh_token",
}

// maskSecrets replaces the text of members that are named like secrets, and
// everything that looks like a key.
func maskSecrets(raw jsontext.Value) (jsontext.Value, error) {
	var out bytes.Buffer
	m := masker{jsontext.NewDecoder(bytes.NewReader(raw)), jsontext.NewEncoder(&out), masked}
	if err := m.value(false); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

type masker struct {
	d    *jsontext.Decoder
	e    *jsontext.Encoder
	mask func(string) string
}

func (m *masker) value(secret bool) error {
	switch kind := m.d.PeekKind(); kind {
	case '{', '[':
		if err := m.copy(); err != nil {
			return err
		}
		for k := m.d.PeekKind(); k != '}' && k != ']'; k = m.d.PeekKind() {
			inside := secret
			if kind == '{' {
				name, err := m.d.ReadToken()
				if err != nil {
					return err
				}
				inside = secret || isSecret(name.String())
				if err := m.e.WriteToken(name); err != nil {
					return err
				}
			}
			if err := m.value(inside); err != nil {
				return err
			}
		}
		return m.copy()
	case '"':
		token, err := m.d.ReadToken()
		if err != nil {
			return err
		}
		text := token.String()
		if text != "" && secret || strings.HasPrefix(text, "sk-") && !strings.HasPrefix(text, "sk-...") {
			token = jsontext.String(m.mask(text))
		}
		return m.e.WriteToken(token)
	}
	v, err := m.d.ReadValue()
	if err != nil {
		return err
	}
	return m.e.WriteValue(v)
}

func (m *masker) copy() error {
	token, err := m.d.ReadToken()
	if err != nil {
		return err
	}
	return m.e.WriteToken(token)
}

func isSecret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(secretNames[:], func(part string) bool { return strings.Contains(name, part) })
}
