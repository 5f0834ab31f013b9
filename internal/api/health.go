package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// alive says that the process runs. It looks at nothing else: a process that
// is restarted because its database is away helps nobody.
func (a *API) alive(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, []byte(`"I'm alive!"`))
}

// readiness says whether calls can be served.
func (a *API) readiness(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	status, b := http.StatusOK, []byte(`{"status":"healthy","db":"connected"`)
	if err := a.Ready(ctx); err != nil {
		a.Log.Warn("not ready", "err", err)
		status, b = http.StatusServiceUnavailable, []byte(`{"status":"unhealthy","db":"disconnected"`)
	}
	b = append(b, `,"penstock_version":`...)
	writeJSON(w, status, append(wire.AppendString(b, a.Version), '}'))
}

// health says how the deployments do, by what calls have seen of them. It calls
// no provider: a health check that costs money would be one to be afraid of.
func (a *API) health(q *request) {
	if q.principal.Role != gateway.ProxyAdmin && q.principal.Role != gateway.ProxyAdminViewer {
		a.fail(q, &gateway.Error{Kind: gateway.Forbidden, Type: "auth_error", Message: "/health shows every deployment, so it is for administrators"})
		return
	}
	var well, ill []byte
	nWell, nIll := 0, 0
	for _, h := range q.s.Table.Health(time.Now()) {
		b, n := &well, &nWell
		if h.Cooling > 0 {
			b, n = &ill, &nIll
		}
		*b = comma(*b, *n)
		*n++
		*b = wire.AppendString(append(*b, `{"model":`...), h.Provider+"/"+h.Upstream)
		*b = wire.AppendString(append(*b, `,"model_name":`...), h.Group)
		*b = wire.AppendString(append(*b, `,"model_id":`...), h.ID)
		*b = strconv.AppendInt(append(*b, `,"in_flight":`...), h.InFlight, 10)
		if h.Cooling > 0 {
			*b = wire.AppendString(append(*b, `,"error":`...), "cooling down for another "+h.Cooling.Round(time.Second/10).String()+" after failures")
		}
		*b = append(*b, '}')
	}
	b := append(append([]byte(`{"healthy_endpoints":[`), well...), `],"unhealthy_endpoints":[`...)
	b = append(append(b, ill...), `],"healthy_count":`...)
	b = append(strconv.AppendInt(b, int64(nWell), 10), `,"unhealthy_count":`...)
	writeJSON(q.w, http.StatusOK, append(strconv.AppendInt(b, int64(nIll), 10), '}'))
}
