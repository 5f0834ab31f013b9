package app

import (
	"context"
	"strconv"
	"time"

	"penstock/internal/limit"
)

// softQueue bounds the soft budgets that wait to be told of.
const softQueue = 256

// softReached takes a soft budget that this process has seen reached. Whether
// another replica, or the process before this one, has told of it is asked of
// the database, which is not for a call to wait for. With a full queue it is
// told at once: rather twice than never.
func (a *App) softReached(x limit.Reached) {
	select {
	case a.soft <- x:
	default:
		a.relay.TellSoft(x)
	}
}

// tellSoft tells of each soft budget once a window, whoever sees it reached.
func (a *App) tellSoft(ctx context.Context) {
	for {
		select {
		case x := <-a.soft:
			a.tellOnce(x)
		case <-ctx.Done():
			for {
				select {
				case x := <-a.soft:
					a.tellOnce(x)
				default:
					return
				}
			}
		}
	}
}

func (a *App) tellOnce(x limit.Reached) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	name := "soft_budget:" + limit.Scopes[x.Set.Scope.Kind].Name + ":" + x.Set.Scope.String() + ":" + x.Limit.Model + ":" + x.Limit.Window.String()
	first, err := a.store.Claim(ctx, name, strconv.FormatInt(x.Limit.Soft, 10)+"@"+strconv.FormatInt(x.Start.Unix(), 10))
	if err != nil {
		a.log.Warn("whether a soft budget was told of already is not known; telling it", "err", err)
	}
	if first || err != nil {
		a.relay.TellSoft(x)
	}
}
