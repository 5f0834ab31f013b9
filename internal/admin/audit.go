package admin

import (
	"net"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"penstock/internal/gateway"
	"penstock/internal/secret"
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
	invitationTable   = "LiteLLM_InvitationLink"
	accessGroupTable  = "LiteLLM_AccessGroupTable"
	groupBudgetTable  = "LiteLLM_ModelAccessGroupBudgetTable"
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

// maskSecrets replaces the text of members that are named like secrets, and
// everything that looks like a key.
func maskSecrets(raw jsontext.Value) (jsontext.Value, error) {
	return secret.Mask(raw, false, masked)
}
