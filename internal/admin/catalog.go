package admin

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// Catalog keeps what stands beside keys, users and teams.
type Catalog interface {
	CreateOrganization(context.Context, *gateway.Organization) error
	Organization(ctx context.Context, id string) (*gateway.Organization, error)
	UpdateOrganization(ctx context.Context, id string, change func(*gateway.Organization) error) (*gateway.Organization, error)
	DeleteOrganizations(ctx context.Context, ids []string) (deleted []string, err error)
	ListOrganizations(context.Context, store.OrganizationFilter, store.Page) (organizations []*gateway.Organization, total int, err error)

	CreateBudget(context.Context, *gateway.Budget) error
	Budget(ctx context.Context, id string) (*gateway.Budget, error)
	UpdateBudget(ctx context.Context, id string, change func(*gateway.Budget) error) (*gateway.Budget, error)
	DeleteBudgets(ctx context.Context, ids []string) (deleted []string, err error)
	ListBudgets(context.Context, store.BudgetFilter, store.Page) (budgets []*gateway.Budget, total int, err error)

	CreateEndUser(context.Context, *gateway.EndUser) error
	EndUser(ctx context.Context, id string) (*gateway.EndUser, error)
	UpdateEndUser(ctx context.Context, id string, change func(*gateway.EndUser) error) (*gateway.EndUser, error)
	DeleteEndUsers(ctx context.Context, ids []string) (deleted []string, err error)
	ListEndUsers(context.Context, store.EndUserFilter, store.Page) (customers []*gateway.EndUser, total int, err error)

	ListAudit(context.Context, store.AuditFilter, store.Page) (entries []*gateway.AuditEntry, total int, err error)
	AuditEntry(ctx context.Context, id string) (*gateway.AuditEntry, error)

	CreateAccessGroup(context.Context, *gateway.AccessGroup) error
	AccessGroup(ctx context.Context, id string) (*gateway.AccessGroup, error)
	UpdateAccessGroup(ctx context.Context, id string, change func(*gateway.AccessGroup) error) (*gateway.AccessGroup, error)
	DeleteAccessGroups(ctx context.Context, ids []string) (deleted []string, err error)
	ListAccessGroups(context.Context, store.AccessGroupFilter, store.Page) (groups []*gateway.AccessGroup, total int, err error)

	CreateGroupBudget(context.Context, *gateway.GroupBudget) error
	GroupBudget(ctx context.Context, group string) (*gateway.GroupBudget, error)
	UpdateGroupBudget(ctx context.Context, group string, change func(*gateway.GroupBudget) error) (*gateway.GroupBudget, error)
	DeleteGroupBudgets(ctx context.Context, groups []string) (deleted []string, err error)

	CreateTag(context.Context, *gateway.Tag) error
	Tag(ctx context.Context, name string) (*gateway.Tag, error)
	UpdateTag(ctx context.Context, name string, change func(*gateway.Tag) error) (*gateway.Tag, error)
	DeleteTags(ctx context.Context, names []string) (deleted []string, err error)
	ListTags(context.Context, store.TagFilter, store.Page) (tags []*gateway.Tag, total int, err error)

	CreateStoredModel(context.Context, *gateway.StoredModel) error
	StoredModel(ctx context.Context, id string) (*gateway.StoredModel, error)
	UpdateStoredModel(ctx context.Context, id string, change func(*gateway.StoredModel) error) (*gateway.StoredModel, error)
	EditStoredModels(ctx context.Context, edit func(all []*gateway.StoredModel) (edited []*gateway.StoredModel, err error)) (ids []string, err error)
	DeleteStoredModels(ctx context.Context, ids []string) (deleted []string, err error)
	AllStoredModels(ctx context.Context, yield func(*gateway.StoredModel) error) error
	ListStoredModels(context.Context, store.StoredModelFilter, store.Page) (models []*gateway.StoredModel, total int, err error)

	CreateCredential(context.Context, *gateway.Credential) error
	Credential(ctx context.Context, name string) (*gateway.Credential, error)
	UpdateCredential(ctx context.Context, name string, change func(*gateway.Credential) error) (*gateway.Credential, error)
	DeleteCredentials(ctx context.Context, names []string) (deleted []string, err error)
	ListCredentials(context.Context, store.CredentialFilter, store.Page) (credentials []*gateway.Credential, total int, err error)
}

// maxListed is how many rows a list shows that has no pages by default.
const maxListed = 1000

// listPage reads which part of a list is wanted: all of it up to maxListed,
// unless the caller asks for pages.
func (q *query) listPage() store.Page {
	size := q.number("page_size", maxListed, 1, maxListed)
	return store.Page{Offset: (q.number("page", 1, 1, 1_000_000) - 1) * size, Limit: size}
}

// idList returns the ids of a request, sorted, each once.
func idList(field string, ids []string) ([]string, error) {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	switch n := len(ids); {
	case n == 0:
		return nil, malformed(field, "%s is missing: pass a list of ids", field)
	case n > maxBulk:
		return nil, invalid(field, "%s: %d are too many for one call, at most %d can be named at once", field, n, maxBulk)
	}
	if slices.Contains(ids, "") {
		return nil, invalid(field, "%s: an id must not be empty", field)
	}
	return ids, checkTexts(field, ids)
}

// taken turns a taken id into what the client is told; other errors stay.
func taken(err error, e *gateway.Error) error {
	if _, ok := errors.AsType[store.ErrConflict](err); ok {
		return e
	}
	return err
}

// budgetTable shows the ceilings that hold for an object: its own, and where it
// has none those of its shared budget. It is null without any.
func (a *API) budgetTable(id string, own *gateway.Limits, anchor time.Time) *budgetRow {
	if id == "" && reflect.ValueOf(own).Elem().IsZero() {
		return nil
	}
	l := a.directory.Lent(*own, id)
	row := &budgetRow{text(id), []string{}, a.limitsRow(&l, a.now(), anchor)}
	if b := a.directory.Budget(id); b != nil {
		row.AllowedModels = list(b.AllowedModels)
	}
	return row
}

// spend is what an object has spent in the window of its budget.
func (a *API) spend(entity, id string, s *gateway.Spend, l *gateway.Limits, budget string, anchor time.Time) usd {
	lent := a.directory.Lent(*l, budget)
	return usd(a.live(entity, id, s, &lent, a.now(), anchor))
}

// oneBudget refuses an object that refers to a shared budget and brings one of its own.
func (f *limitFields) oneBudget(budgetID Opt[string]) error {
	if budgetID.Or("") != "" && f.MaxBudget.Has() {
		return invalid("budget_id", "Set either budget_id or max_budget, not both: an object has the limits of one shared budget, or its own")
	}
	return nil
}

// settle books what has ended if an update is about what was spent.
func (a *API) settle(r *http.Request, f *limitFields) error {
	if f.touchesSpend() {
		return a.flush(r.Context())
	}
	return nil
}

// prepare is what an update of what may have a shared budget begins with: the
// budget must be there, and what is still to be booked is booked.
func (a *API) prepare(r *http.Request, f *limitFields, budget Opt[string]) error {
	if err := a.budgetExists(r.Context(), "budget_id", budget.Or("")); err != nil {
		return err
	}
	return a.settle(r, f)
}

// catalogRoutes are those of what stands beside keys, users, teams and projects.
func (a *API) catalogRoutes() []route {
	routes := []route{
		{Route{Method: "POST", Pattern: "/organization/new", Summary: "Create an organization.", Access: Checked}, a.newOrganization},
		{Route{Method: "PATCH", Pattern: "/organization/update", Summary: "Change the fields of an organization that are sent; null clears.", Access: Checked}, a.updateOrganization},
		{Route{Method: "POST", Pattern: "/organization/update", Summary: "The same: LiteLLM's Terraform provider sends POST.", Access: Checked}, a.updateOrganization},
		{Route{Method: "PATCH", Pattern: "/v2/organization/{organization_id}", Summary: "The same, refusing fields that it does not know.", Access: Checked}, a.patchOrganization},
		{Route{Method: "DELETE", Pattern: "/organization/delete", Summary: "Delete organizations with their teams and keys.", Access: Checked}, a.deleteOrganizations},
		{Route{Method: "GET", Pattern: "/organization/list", Summary: "List organizations with their members and teams.", Access: Checked}, a.listOrganizations},
		{Route{Method: "GET", Pattern: "/organization/info", Summary: "Show an organization with its members and teams.", Access: Checked}, a.organizationInfo},
		{Route{Method: "POST", Pattern: "/organization/info", Summary: "Show several organizations.", Access: Checked}, a.organizationInfos},
		{Route{Method: "POST", Pattern: "/organization/member_add", Summary: "Put people into an organization, making users of them.", Access: Checked}, a.addOrgMembers},
		{Route{Method: "PATCH", Pattern: "/organization/member_update", Summary: "Change a member's role.", Access: Checked}, a.updateOrgMember},
		{Route{Method: "POST", Pattern: "/organization/member_update", Summary: "The same: LiteLLM's Terraform provider sends POST.", Access: Checked}, a.updateOrgMember},
		{Route{Method: "DELETE", Pattern: "/organization/member_delete", Summary: "Take a member out of an organization.", Access: Checked}, a.deleteOrgMember},
		{Route{Method: "POST", Pattern: "/budget/new", Summary: "Create a budget that several objects can refer to."}, a.newBudget},
		{Route{Method: "POST", Pattern: "/budget/update", Summary: "Change the fields of a budget that are sent; null clears."}, a.updateBudget},
		{Route{Method: "POST", Pattern: "/budget/info", Summary: "Show several budgets."}, a.budgetInfo},
		{Route{Method: "GET", Pattern: "/budget/list", Summary: "List budgets."}, a.listBudgets},
		{Route{Method: "GET", Pattern: "/budget/settings", Summary: "Show a budget field by field."}, a.budgetSettings},
		{Route{Method: "POST", Pattern: "/budget/delete", Summary: "Delete a budget."}, a.deleteBudget},
	}
	routes = append(routes, []route{
		{Route{Method: "POST", Pattern: "/tag/new", Summary: "Create a tag with limits of its own."}, a.newTag},
		{Route{Method: "POST", Pattern: "/tag/update", Summary: "Change the fields of a tag that are sent; null clears."}, a.updateTag},
		{Route{Method: "POST", Pattern: "/tag/info", Summary: "Show several tags."}, a.tagInfo},
		{Route{Method: "GET", Pattern: "/tag/list", Summary: "List tags, and those that calls had without anybody having made them.", Access: Checked}, a.listTags},
		{Route{Method: "GET", Pattern: "/tag/dau", Summary: "Show by tag, and by the programs that call, how many users had calls on each day.", Access: Checked}, a.dailyUsers},
		{Route{Method: "GET", Pattern: "/tag/wau", Summary: "Show how many users had calls in each of the last seven weeks.", Access: Checked}, a.weeklyUsers},
		{Route{Method: "GET", Pattern: "/tag/mau", Summary: "Show how many users had calls in each of the last months of 30 days.", Access: Checked}, a.monthlyUsers},
		{Route{Method: "GET", Pattern: "/tag/distinct", Summary: "List the tags and programs of the last 90 days.", Access: Checked}, a.distinctTagNames},
		{Route{Method: "GET", Pattern: "/tag/summary", Summary: "Show what calls with each tag, and by each program, have used.", Access: Checked}, a.tagSummary},
		{Route{Method: "GET", Pattern: "/tag/user-agent/per-user-analytics", Summary: "Show what users have used by programs in the last 30 days.", Access: Checked}, a.agentUsers},
		{Route{Method: "POST", Pattern: "/tag/delete", Summary: "Delete a tag."}, a.deleteTag},
		{Route{Method: "POST", Pattern: "/model/new", Summary: "Keep a model in the database; it can be called when this answers.", Access: Checked}, a.newModel},
		{Route{Method: "POST", Pattern: "/model/update", Summary: "Change a model in the database.", Access: Checked}, a.updateModel},
		{Route{Method: "PATCH", Pattern: "/model/{model_id}/update", Summary: "Change a model in the database.", Access: Checked}, a.updateModel},
		{Route{Method: "POST", Pattern: "/model/delete", Summary: "Delete a model from the database.", Access: Checked}, a.deleteModel},
		{Route{Method: "POST", Pattern: "/model/block", Summary: "Have a model in the database get no calls.", Access: Checked}, a.blockModel},
		{Route{Method: "POST", Pattern: "/model/unblock", Summary: "Have it get calls again.", Access: Checked}, a.unblockModel},
		{Route{Method: "GET", Pattern: "/v2/model/info", Summary: "Show deployments page by page.", Access: Checked}, a.pageModels},
		{Route{Method: "GET", Pattern: "/public/litellm_model_cost_map", Summary: "Show the price table in the form of LiteLLM's price file.", Access: Checked}, a.showCostMap},
		{Route{Method: "GET", Pattern: "/model/cost_map/source", Summary: "Show where prices come from."}, a.showCostMapSource},
		{Route{Method: "POST", Pattern: "/reload/model_cost_map", Summary: "Say which price table is in use: there is none to fetch."}, a.reloadCostMap},
		{Route{Method: "GET", Pattern: "/model/deprecations", Summary: "Show models that their providers will stop serving, or have.", Access: Checked}, a.modelDeprecations},
		{Route{Method: "GET", Pattern: "/v1/model/deprecations", Summary: "Show models that their providers will stop serving, or have.", Access: Checked}, a.modelDeprecations},
		{Route{Method: "GET", Pattern: "/model/metrics", Summary: "Show how many seconds a token took, by day and deployment."}, a.modelMetrics},
		{Route{Method: "GET", Pattern: "/model/metrics/slow_responses", Summary: "Show how many answers took five minutes or more, by deployment."}, a.slowResponses},
		{Route{Method: "GET", Pattern: "/model/metrics/exceptions", Summary: "Show how calls failed, by deployment."}, a.modelMetricExceptions},
		{Route{Method: "GET", Pattern: "/model/streaming_metrics", Summary: "Show how many seconds streams took to begin, by day and deployment."}, a.streamingMetrics},
		{Route{Method: "GET", Pattern: "/model_group/info", Summary: "Show models as clients know them: all deployments of a name together.", Access: Checked}, a.modelGroups},
		{Route{Method: "GET", Pattern: "/audit", Summary: "Show who changed what, page by page."}, a.listAudit},
		{Route{Method: "GET", Pattern: "/audit/{id}", Summary: "Show one change."}, a.auditEntry},
		{Route{Method: "GET", Pattern: "/global/spend/logs", Summary: "Show the last month's spend by day.", Access: Checked}, a.globalLogs},
		{Route{Method: "GET", Pattern: "/global/spend/keys", Summary: "Show the last month's dearest keys.", Access: Checked}, a.globalKeys},
		{Route{Method: "GET", Pattern: "/global/spend/teams", Summary: "Show the last month's spend by team and day.", Access: Checked}, a.globalTeams},
		{Route{Method: "POST", Pattern: "/global/spend/end_users", Summary: "Show the dearest customers.", Access: Checked}, a.globalEndUsers},
		{Route{Method: "GET", Pattern: "/global/spend/models", Summary: "Show the last month's dearest models.", Access: Checked}, a.globalModels},
		{Route{Method: "GET", Pattern: "/global/spend/provider", Summary: "Show spend by provider.", Access: Checked}, a.globalProviders},
		{Route{Method: "GET", Pattern: "/global/spend/tags", Summary: "Show spend by tag.", Access: Checked}, a.globalTags},
		{Route{Method: "GET", Pattern: "/global/spend/all_tag_names", Summary: "List the tags that calls had.", Access: Checked}, a.globalTagNames},
		{Route{Method: "GET", Pattern: "/global/spend/report", Summary: "Show by day who has spent what on which models.", Access: Checked}, a.globalReport},
		{Route{Method: "POST", Pattern: "/global/spend/refresh", Summary: "Book what has ended."}, a.refreshSpend},
		{Route{Method: "POST", Pattern: "/global/spend/reset", Summary: "Set what keys and teams have spent in their windows to nothing.", Access: Checked}, a.resetSpend},
		{Route{Method: "GET", Pattern: "/global/activity", Summary: "Show calls and tokens by day.", Access: Checked}, a.globalActivity},
		{Route{Method: "GET", Pattern: "/global/activity/model", Summary: "Show calls and tokens by model and day.", Access: Checked}, a.globalActivityByModel},
		{Route{Method: "GET", Pattern: "/global/activity/cache_hits", Summary: "Show how many calls were answered from a cache, by kind of call.", Access: Checked}, a.globalCacheHits},
		{Route{Method: "GET", Pattern: "/global/activity/exceptions", Summary: "Show by day how often a provider's rate limit was reached."}, a.globalExceptions},
		{Route{Method: "GET", Pattern: "/global/activity/exceptions/deployment", Summary: "Show by deployment and day how often a provider's rate limit was reached."}, a.globalExceptionsByDeployment},
		{Route{Method: "GET", Pattern: "/global/all_end_users", Summary: "List the customers that calls were for."}, a.globalEndUserNames},
		{Route{Method: "GET", Pattern: "/spend/users", Summary: "List users, the dearest first.", Access: Checked}, a.spendUsers},
		{Route{Method: "GET", Pattern: "/spend/tags", Summary: "Show spend by tag."}, a.spendTags},
		{Route{Method: "GET", Pattern: "/spend/logs/v2", Summary: "List calls, page by page.", Access: Checked}, a.pageCalls},
		{Route{Method: "GET", Pattern: "/spend/logs/ui", Summary: "List calls, page by page.", Access: Checked}, a.pageCalls},
		{Route{Method: "GET", Pattern: "/spend/logs/ui/{request_id}", Summary: "Show what is kept of the texts of a call.", Access: Checked}, a.callTexts},
		{Route{Method: "GET", Pattern: "/spend/logs/session/ui", Summary: "List the calls of a session, page by page.", Access: Checked}, a.sessionCalls},
		{Route{Method: "POST", Pattern: "/spend/calculate", Summary: "Say what an answer costs, or the input of a call.", Access: Checked}, a.calculateSpend},
		{Route{Method: "POST", Pattern: "/cost/estimate", Summary: "Say what calls of a size cost each, a day and a month.", Access: Checked}, a.estimateCost},
		{Route{Method: "GET", Pattern: "/provider/budgets", Summary: "Show the budgets of providers, and what they have spent."}, a.providerBudgets},
		{Route{Method: "GET", Pattern: "/management/v1/spend_logs/users", Summary: "List the users that calls were of.", Access: Checked}, a.facetOf(store.User)},
		{Route{Method: "GET", Pattern: "/management/v1/spend_logs/end_users", Summary: "List the customers that calls were for.", Access: Checked}, a.facetOf(store.EndUser)},
		{Route{Method: "GET", Pattern: "/key/spend/report", Summary: "Show by day what keys have spent.", Access: Checked}, a.reportOf("api_key", "api_key")},
		{Route{Method: "GET", Pattern: "/user/spend/report", Summary: "Show by day what users have spent.", Access: Checked}, a.reportOf("internal_user_id", "internal_user_id")},
		{Route{Method: "GET", Pattern: "/team/spend/report", Summary: "Show by day what teams have spent.", Access: Checked}, a.reportOf("team", "team_id")},
		{Route{Method: "GET", Pattern: "/organization/spend/report", Summary: "Show by day what organizations have spent.", Access: Checked}, a.reportOf("organization", "organization_id")},
		{Route{Method: "POST", Pattern: "/credentials", Summary: "Keep secrets of a provider under a name."}, a.newCredential},
		{Route{Method: "GET", Pattern: "/credentials", Summary: "List credentials, values masked."}, a.listCredentials},
		{Route{Method: "GET", Pattern: "/credentials/by_name/{name}", Summary: "Show a credential, values masked."}, a.credentialByName},
		{Route{Method: "GET", Pattern: "/credentials/by_model/{model_id}", Summary: "Show what a model is called with, values masked."}, a.credentialByModel},
		{Route{Method: "PATCH", Pattern: "/credentials/{name}", Summary: "Change what is sent of a credential."}, a.updateCredential},
		{Route{Method: "DELETE", Pattern: "/credentials/{name}", Summary: "Delete a credential that nothing uses."}, a.deleteCredential},
	}...)
	routes = append(routes, a.activityRoutes()...)
	for _, path := range [...]string{"/v1/access_group", "/v1/unified_access_group"} { // the second is a name that LiteLLM has too
		routes = append(routes,
			route{Route{Method: "POST", Pattern: path, Summary: "Create a group of models that keys and teams are given together."}, a.newAccessGroup},
			route{Route{Method: "GET", Pattern: path, Summary: "List such groups, the newest first."}, a.listAccessGroups},
			route{Route{Method: "GET", Pattern: path + "/{access_group_id}", Summary: "Show a group and who has it."}, a.accessGroup},
			route{Route{Method: "PUT", Pattern: path + "/{access_group_id}", Summary: "Change the fields of a group that are sent; null empties."}, a.updateAccessGroup},
			route{Route{Method: "DELETE", Pattern: path + "/{access_group_id}", Summary: "Delete a group and take it from those who have it."}, a.deleteAccessGroup},
		)
	}
	routes = append(routes, []route{
		{Route{Method: "POST", Pattern: "/access_group/new", Summary: "Give models in the database an access group (model_info.access_groups)."}, a.newModelAccess},
		{Route{Method: "GET", Pattern: "/access_group/list", Summary: "List the access groups of models."}, a.listModelAccess},
		{Route{Method: "GET", Pattern: "/access_group/{access_group}/info", Summary: "Show an access group of models, and its budget."}, a.modelAccessInfo},
		{Route{Method: "PUT", Pattern: "/access_group/{access_group}/update", Summary: "Say which models in the database have the access group."}, a.updateModelAccess},
		{Route{Method: "DELETE", Pattern: "/access_group/{access_group}/delete", Summary: "Take the access group from all models, with its budget."}, a.deleteModelAccess},
		{Route{Method: "GET", Pattern: "/access_group/{access_group}/budget", Summary: "Show what may be spent through an access group, and what was."}, a.groupBudget},
		{Route{Method: "PUT", Pattern: "/access_group/{access_group}/budget", Summary: "Set what may be spent through an access group; null clears."}, a.setGroupBudget},
		{Route{Method: "DELETE", Pattern: "/access_group/{access_group}/budget", Summary: "Have an access group be without a budget."}, a.deleteGroupBudget},
	}...)
	for _, noun := range [...]string{"/customer", "/end_user"} {
		routes = append(routes,
			route{Route{Method: "POST", Pattern: noun + "/new", Summary: "Create a customer of your own, with limits."}, a.newCustomer},
			route{Route{Method: "GET", Pattern: noun + "/info", Summary: "Show a customer and what it has spent."}, a.customerInfo},
			route{Route{Method: "POST", Pattern: noun + "/update", Summary: "Change the fields of a customer that are sent; null clears."}, a.updateCustomer},
			route{Route{Method: "POST", Pattern: noun + "/delete", Summary: "Delete customers."}, a.deleteCustomers},
			route{Route{Method: "GET", Pattern: noun + "/list", Summary: "List customers."}, a.listCustomers},
			route{Route{Method: "POST", Pattern: noun + "/block", Summary: "Block customers, known or not."}, a.blockCustomers},
			route{Route{Method: "POST", Pattern: noun + "/unblock", Summary: "Unblock customers."}, a.unblockCustomers},
		)
	}
	return routes
}

// activityRoutes are the reports by day.
func (a *API) activityRoutes() []route {
	routes := []route{
		{Route{Method: "GET", Pattern: "/user/daily/activity/aggregated/users", Summary: "List users, the dearest first.", Access: Checked}, a.activityUsers},
		{Route{Method: "GET", Pattern: "/team/spend/by_user", Summary: "Show what users have spent in teams.", Access: Checked}, a.teamSpendByUser},
	}
	for _, noun := range slices.Sorted(maps.Keys(nouns)) {
		base := "/" + noun + "/daily/activity"
		access := Checked
		if noun == "gateway" {
			access = AdminOnly
		}
		routes = append(routes,
			route{Route{Method: "GET", Pattern: base, Summary: "Show spend, tokens and calls by day, page by page.", Access: access}, a.activityOf(noun, false)},
			route{Route{Method: "GET", Pattern: base + "/aggregated", Summary: "Show spend, tokens and calls by day, all days at once.", Access: access}, a.activityOf(noun, true)},
			route{Route{Method: "GET", Pattern: base + "/aggregated/keys", Summary: "List keys by what they have spent, the dearest first.", Access: access}, a.activityKeys(noun)},
			route{Route{Method: "GET", Pattern: base + "/aggregated/search", Summary: "Look for keys, and show what they have spent.", Access: access}, a.activitySearch(noun)},
			route{Route{Method: "GET", Pattern: base + "/aggregated/model_top_keys", Summary: "List the keys that have spent most on a model.", Access: access}, a.activityModelKeys(noun)},
			route{Route{Method: "GET", Pattern: base + "/export", Summary: "Download spend, tokens and calls by day as CSV or JSON.", Access: access}, a.activityExport(noun)},
		)
	}
	return routes
}
