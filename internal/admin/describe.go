package admin

import (
	"reflect"

	"penstock/internal/openapi"
)

// Describe implements openapi.Describer: null clears.
func (Opt[T]) Describe(s *openapi.Schemas) *openapi.Schema {
	return openapi.Nullable(s.Of(reflect.TypeFor[T]()))
}

// Describe implements openapi.Describer.
func (usd) Describe(*openapi.Schemas) *openapi.Schema {
	out := openapi.Amount(0, 9_223_372_036)
	out.Description = "US dollars"
	return out
}

// Describe implements openapi.Describer.
func (count) Describe(*openapi.Schemas) *openapi.Schema { return openapi.Integer(0) }

// Describe implements openapi.Describer.
func (object) Describe(*openapi.Schemas) *openapi.Schema { return openapi.Object() }

// Describe implements openapi.Describer.
func (empty) Describe(*openapi.Schemas) *openapi.Schema { return openapi.Object() }

// Describe implements openapi.Describer.
func (counts) Describe(s *openapi.Schemas) *openapi.Schema {
	return s.Of(reflect.TypeFor[map[string]count]())
}

// Describe implements openapi.Describer.
func (varTexts) Describe(s *openapi.Schemas) *openapi.Schema {
	return s.Of(reflect.TypeFor[map[string]string]())
}

// Describe implements openapi.Describer: dollars alone, or an object.
func (modelBudget) Describe(s *openapi.Schemas) *openapi.Schema {
	return &openapi.Schema{AnyOf: []*openapi.Schema{s.Of(reflect.TypeFor[usd]()), s.Of(reflect.TypeFor[modelBudgetFields]())}}
}

// Describe implements openapi.Describer: an id alone, or an object.
func (teamRef) Describe(s *openapi.Schemas) *openapi.Schema {
	return &openapi.Schema{AnyOf: []*openapi.Schema{openapi.Text(), s.Of(reflect.TypeFor[teamRefObject]())}}
}

// Describe implements openapi.Describer.
func (oneOrMore) Describe(s *openapi.Schemas) *openapi.Schema {
	return &openapi.Schema{AnyOf: []*openapi.Schema{s.Of(reflect.TypeFor[member]()), s.Of(reflect.TypeFor[members]())}}
}

// callsOrDays is what /spend/logs answers: calls, or sums of days.
type callsOrDays struct{}

// Describe implements openapi.Describer.
func (callsOrDays) Describe(s *openapi.Schemas) *openapi.Schema {
	return &openapi.Schema{AnyOf: []*openapi.Schema{s.Of(reflect.TypeFor[[]callRow]()), s.Of(reflect.TypeFor[[]daySummary]())}}
}

// What durations look like.
const (
	lifetimes = `^(-1|[1-9][0-9]{0,3}(s|m|h|d|w|mo))?$`
	windows   = `^(hourly|daily|weekly|monthly|[1-9][0-9]{0,4}(s|m|h|d|w|mo))?$`
)

// listedTags is what /tag/list answers: tags that were made, and others.
type listedTags struct{}

// Describe implements openapi.Describer.
func (listedTags) Describe(s *openapi.Schemas) *openapi.Schema {
	return s.Of(reflect.TypeFor[[]anyTag]())
}

type anyTag struct{}

// Describe implements openapi.Describer.
func (anyTag) Describe(s *openapi.Schemas) *openapi.Schema {
	return &openapi.Schema{AnyOf: []*openapi.Schema{s.Of(reflect.TypeFor[tagRow]()), s.Of(reflect.TypeFor[spentTagRow]())}}
}

// listedTeams is what /v2/team/list answers: teams, or those that were deleted.
type listedTeams struct{}

// Describe implements openapi.Describer.
func (listedTeams) Describe(s *openapi.Schemas) *openapi.Schema {
	return &openapi.Schema{AnyOf: []*openapi.Schema{s.Of(reflect.TypeFor[teamPage]()), s.Of(reflect.TypeFor[deletedTeamPage]())}}
}

// hints say about fields of bodies and about parameters what their types do not.
var hints = map[string]openapi.Hint{
	"allowed_model_region":  {Says: "Only deployments there.", Enum: []string{"eu", "us"}},
	"access_group":          {Says: "An access group of models (model_info.access_groups).", Example: "premium"},
	"access_group_id":       {Says: "An access group that is stored.", Example: "7d1c0f3e-52f0-4c39-9d3a-6a4b6d6a9d10"},
	"access_group_name":     {Says: "What lists of models call the group.", Example: "premium"},
	"access_model_names":    {Says: "Names of models, or patterns with *.", Example: "gpt-4o"},
	"assigned_team_ids":     {Says: "Teams that have the group.", Example: "sales"},
	"assigned_key_ids":      {Says: "Keys that have the group, or the SHA-256 of each.", Example: "sk-example-of-a-key"},
	"model_names":           {Says: "All models of these names.", Example: "gpt-4o"},
	"model_ids":             {Says: "These models only, by model_info.id."},
	"model_name":            {Says: "What clients call the model.", Example: "gpt-4o"},
	"credential_name":       {Says: "A credential.", Example: "openai"},
	"team_alias":            {Says: "What people call the team.", Example: "Sales"},
	"end_user_id":           {Says: "A customer.", Example: "visitor"},
	"project_ids":           {Says: "Projects.", Example: "chatbot"},
	"project_id":            {Says: "A project.", Example: "chatbot"},
	"organization_ids":      {Says: "Organizations.", Example: "acme"},
	"organizations":         {Says: "Organizations.", Example: "acme"},
	"organization_id":       {Says: "An organization.", Example: "acme"},
	"team_ids":              {Says: "Teams.", Example: "sales"},
	"team_id":               {Says: "A team.", Example: "sales"},
	"user_email":            {Says: "An address.", Example: "jo@example.com"},
	"user_ids":              {Says: "Users; of /customer routes customers.", Example: "jo"},
	"user_id":               {Says: "A user; of /customer routes a customer.", Example: "jo"},
	"role":                  {Says: "In a team admin or user; in an organization org_admin, internal_user or internal_user_viewer."},
	"keys":                  {Says: "Virtual keys, or the SHA-256 of each.", Example: "sk-example-of-a-key"},
	"time_period":           {Says: "Length of a budget window: 24h, 7d, 30d, 1mo.", Pattern: windows, Example: "30d"},
	"key":                   {Says: "A virtual key, or the SHA-256 of one. A new one is sk- and at least 13 characters more.", Example: "sk-example-of-a-key"},
	"key_alias":             {Says: "What people call the key."},
	"key_type":              {Says: "Which routes the key may call.", Enum: []string{"default", "llm_api", "management", "read_only"}},
	"duration":              {Says: "How long the key lives: 30s, 12h, 30d, 1mo; -1 for ever.", Pattern: lifetimes, Example: "30d"},
	"models":                {Says: "Model names, patterns with *, or names of access groups; empty for all.", Example: "gpt-4o"},
	"max_budget":            {Says: "US dollars that may be spent in a budget window."},
	"soft_budget":           {Says: "US dollars at which a warning is due; nothing is refused."},
	"budget_duration":       {Says: "Length of a budget window: 24h, 7d, 30d, 1mo.", Pattern: windows, Example: "30d"},
	"budget_limits":         {Says: "Budgets of several windows that hold at the same time."},
	"budget_id":             {Says: "A shared budget.", Example: "monthly"},
	"budget_reset_at":       {Says: "When the next budget window begins."},
	"model_max_budget":      {Says: "Budgets by model."},
	"model_rpm_limit":       {Says: "Calls a minute by model."},
	"model_tpm_limit":       {Says: "Tokens a minute by model."},
	"rpm_limit":             {Says: "Calls a minute."},
	"tpm_limit":             {Says: "Tokens a minute."},
	"tpd_limit":             {Says: "Tokens a day."},
	"max_parallel_requests": {Says: "Calls at the same time."},
	"temp_budget_increase":  {Says: "US dollars on top of max_budget until temp_budget_expiry."},
	"temp_budget_expiry":    {Says: "When temp_budget_increase ends.", Example: "2030-01-31"},
	"enforce":               {Says: "False has limits counted and reported without refusing anything."},
	"spend":                 {Says: "US dollars spent in the current budget window."},
	"total_spend":           {Says: "US dollars ever spent."},
	"metadata":              {Says: "Anything of yours."},
	"aliases":               {Says: "What model names of clients stand for."},
	"allowed_routes":        {Says: "Routes, or groups of them, that may be called; empty for those of the type."},
	"allowed_ips":           {Says: "Addresses and ranges like 10.0.0.0/8 that calls may come from.", Example: "10.0.0.0/8"},
	"enforced_params":       {Says: "Members that a call must have."},
	"tags":                  {Says: "Names that spend is summed up by."},
	"blocked":               {Says: "True refuses all calls."},
	"grace_period":          {Says: "How long the old key works beside the new one.", Example: "24h"},
	"rotation_interval":     {Says: "How often the key should be replaced: 30d.", Pattern: lifetimes, Example: "30d"},
	"user_role":             {Says: "proxy_admin, proxy_admin_viewer, internal_user or internal_user_viewer; in a team admin or user.", Example: "internal_user"},
	"page":                  {Says: "Number of the page, from 1."},
	"size":                  {Says: "Rows of a page."},
	"page_size":             {Says: "Rows of a page."},
	"search":                {Says: "Part of an id or a name."},
	"start_date":            {Says: "First day, YYYY-MM-DD, or a time; UTC."},
	"end_date":              {Says: "Last day, YYYY-MM-DD, or a time; UTC."},
	"summarize":             {Says: "False shows calls even if days are named."},
	"return_full_object":    {Says: "Whole keys instead of their hashes."},
	"include_team_keys":     {Says: "Keys of the caller's teams as well."},
	"litellm_model_id":      {Says: "Only this deployment."},
	"after":                 {Says: "The next of the page before: finds the next page at once, however far."},
	"reset_to":              {Says: "US dollars; not more than was spent."},
}

// Hints say about fields of bodies what their types do not, by their names.
func Hints() map[string]openapi.Hint { return hints }
