package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"penstock/internal/config"
	"penstock/internal/limit"
	"penstock/internal/store"
)

const (
	// calendarSetting is where it is kept which calendars budgets have gone by,
	// for all replicas and across restarts: a window ends by the calendar that it
	// began by.
	calendarSetting = "budget_calendars"
	// calendarsKept bounds them. Windows are rarely longer than a month.
	calendarsKept = 8
)

// pastCalendar is one of them, as it is stored.
type pastCalendar struct {
	Zone  string `json:"zone"`
	Reset int64  `json:"reset_seconds"` // after midnight
	Since int64  `json:"since"`         // Unix microseconds; 0 for the first
}

// calendarOf returns the calendar that the configuration asks for, after those
// that held before it. One that is new holds from now on.
func (a *App) calendarOf(ctx context.Context, s *config.Server, now time.Time) (limit.Calendar, error) {
	if c := a.calendar; c.Zone != nil && c.Zone.String() == s.Timezone.String() && c.Reset == s.BudgetResetTime {
		return c, nil // other replicas may have another one: theirs is not ours to change
	}
	var past []pastCalendar
	text, err := a.store.Setting(ctx, calendarSetting)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return limit.Calendar{}, fmt.Errorf("read when days have begun for budgets: %w", err)
	default:
		if err := json.Unmarshal([]byte(text), &past); err != nil {
			a.log.Warn("when days have begun for budgets is not known; open budget windows begin by the configured calendar", "err", err)
		}
	}
	next := pastCalendar{Zone: s.Timezone.String(), Reset: int64(s.BudgetResetTime / time.Second)}
	if len(past) > 0 {
		next.Since = now.UnixMicro()
	}
	if n := len(past); n == 0 || past[n-1].Zone != next.Zone || past[n-1].Reset != next.Reset {
		past = append(past, next)
		past = slices.Delete(past, 0, max(0, len(past)-calendarsKept))
		b, err := json.Marshal(past)
		if err == nil {
			err = a.store.SetSetting(ctx, calendarSetting, string(b))
		}
		if err != nil {
			return limit.Calendar{}, fmt.Errorf("keep when days begin for budgets: %w", err)
		}
	}
	return chained(past), nil
}

// chained returns the last calendar, with those before it.
func chained(past []pastCalendar) limit.Calendar {
	var out limit.Calendar
	for _, p := range past {
		zone, err := time.LoadLocation(p.Zone)
		if err != nil {
			continue // a zone that this machine does not know, from another one
		}
		next := limit.Calendar{Zone: zone, Reset: time.Duration(p.Reset) * time.Second}
		if out.Zone != nil {
			before := out
			next.Before, next.Since = &before, time.UnixMicro(p.Since)
		}
		out = next
	}
	return out
}
