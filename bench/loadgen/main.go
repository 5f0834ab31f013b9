package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	penstock := flag.String("penstock", "bin/penstock", "`program`")
	proxy := flag.String("proxy", "", "`program`")
	pin := flag.String("pin", "", "`command` that gateways are started with, such as: taskset -c 0")
	tmp := flag.String("tmp", os.TempDir(), "`directory` for data and logs")
	only := flag.String("only", "", "measure these `rows` only, with commas between them: "+strings.Join(rowIDs(), ", "))
	quick := flag.Bool("quick", false, "fewer and shorter rounds: the numbers are less sure")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	b := &bench{penstock: *penstock, proxy: *proxy, pin: strings.Fields(*pin), tmp: *tmp, say: func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
	}}
	p := plan{rounds: 5, target: time.Second, rate: 200, latency: 6, during: 1500 * time.Millisecond, fresh: 3, starts: 7}
	if *quick {
		p = plan{quick: true, rounds: 2, target: 150 * time.Millisecond, rate: 200, latency: 2, during: 700 * time.Millisecond, fresh: 1, starts: 2}
	}
	err := p.pick(*only)
	if err == nil {
		debug.SetGCPercent(400) // our own collector is noise to those we measure
		err = p.run(ctx, b)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		stop()
		os.Exit(1)
	}
}

// plan is what is measured and how long.
type plan struct {
	only           []string // rows, all if none
	quick          bool
	rounds         int // of each row of processor time
	target         time.Duration
	rate           int // calls a second of the open loop
	latency        int // rounds
	during         time.Duration
	fresh          int // times that 1,000 streams are opened
	starts         int
	row, yardstick []string // the cells of the table at the end
}

func rowIDs() []string {
	ids := []string{"start", "rss"}
	for _, r := range costs(false) {
		ids = append(ids, r.id)
	}
	return append(ids, "latency")
}

func (p *plan) pick(only string) error {
	if only == "" {
		return nil
	}
	p.only = strings.Split(only, ",")
	for _, id := range p.only {
		if !slices.Contains(rowIDs(), id) {
			return fmt.Errorf("--only: no row %q; there are %s", id, strings.Join(rowIDs(), ", "))
		}
	}
	return nil
}

func (p *plan) want(id string) bool { return len(p.only) == 0 || slices.Contains(p.only, id) }

func (p *plan) run(ctx context.Context, b *bench) (err error) {
	mock, err := b.startMock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mock.stop()) }()
	begin, err := lookAround()
	if err != nil {
		return err
	}

	var start, rss [2]string
	if p.want("start") {
		v, err := b.starts(ctx, p.starts)
		if err != nil {
			return err
		}
		fmt.Printf("start, ms from exec to the first answer (lowest-highest of %d)\n", p.starts)
		for _, x := range [...]struct {
			name string
			v    spread
		}{{"penstock, empty directory", v.first}, {"penstock, again", v.second}, {"proxy", v.proxy}} {
			fmt.Printf("  %-28s %6.0f  (%.0f-%.0f)\n", x.name, x.v.median(), x.v.low(), x.v.high())
		}
		fmt.Println()
		start = [2]string{fmt.Sprintf("%.3f", v.first.median()/1e3), fmt.Sprintf("%.3f", v.proxy.median()/1e3)}
	}
	if p.want("rss") {
		a, x, err := b.memory(ctx, p.fresh)
		if err != nil {
			return err
		}
		fmt.Printf("memory of a fresh process (median of %d)\n  %-28s %10s %10s %7s\n", p.fresh, "", "penstock", "proxy", "ratio")
		for _, r := range [...]struct {
			name string
			a, x spread
		}{{"before", a.before, x.before}, {"all 1,000 streams open", a.middle, x.middle}, {"peak", a.peak, x.peak}} {
			fmt.Printf("  %-28s %10s %10s %7.2f\n", r.name, mega(r.a.median()), mega(r.x.median()), r.a.median()/r.x.median())
		}
		fmt.Println()
		rss = [2]string{mega(a.peak.median()), mega(x.peak.median())}
	}
	if err := p.loads(ctx, b, mock); err != nil {
		return err
	}
	others, err := begin.others(mock)
	if err != nil {
		return err
	}
	fmt.Printf("others used %.0f %% of this machine's processors meanwhile\n", others*100)
	if len(p.only) == 0 {
		fmt.Println("\n| | small chat | stream, per chunk | 17 KB embedding answer | 100 KB prompt | 1 MB prompt | 1,000 streams RSS | start s |")
		fmt.Println("|---|---|---|---|---|---|---|---|")
		fmt.Printf("| ReverseProxy (no features) | %s | %s | %s |\n", strings.Join(p.yardstick, " | "), rss[1], start[1])
		fmt.Printf("| Penstock, features on | %s | %s | %s |\n", strings.Join(p.row, " | "), rss[0], start[0])
	}
	return nil
}

// loads measures what needs running gateways: processor time and latency.
func (p *plan) loads(ctx context.Context, b *bench, mock *server) error {
	if len(p.only) > 0 && !slices.ContainsFunc(p.only, func(id string) bool { return id != "start" && id != "rss" }) {
		return nil
	}
	penstock, proxy, err := b.pair(ctx)
	if err != nil {
		return err
	}
	err = p.costs(ctx, b, penstock, proxy)
	if err == nil && p.want("latency") {
		err = p.delays(ctx, b, []*server{mock, proxy, penstock})
	}
	if err == nil {
		err = penstock.accounted(ctx)
	}
	return errors.Join(err, penstock.stop(), proxy.stop())
}

func (p *plan) costs(ctx context.Context, b *bench, penstock, proxy *server) error {
	title := false
	for _, r := range costs(p.quick) {
		if !p.want(r.id) {
			continue
		}
		us, ratio, per, err := r.measure(ctx, b, penstock, proxy, p.rounds, p.target)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		if !title {
			title = true
			fmt.Printf("processor time of a call, until it is in the database (%d rounds of %s each)\n  %-28s %10s %10s %7s  lowest-highest round\n",
				p.rounds, p.target, "", "penstock", "proxy", "ratio")
		}
		fmt.Printf("  %-28s %7.1f us %7.1f us %7.2f  %.2f-%.2f\n", r.name, us[0], us[1], ratio, per.low(), per.high())
		p.row, p.yardstick = append(p.row, fmt.Sprintf("%.2f", ratio)), append(p.yardstick, fmt.Sprintf("1.00 (%.0f us)", us[1]))
	}
	if title {
		fmt.Println()
	}
	return nil
}

func (p *plan) delays(ctx context.Context, b *bench, servers []*server) error {
	fmt.Printf("latency in us at %d calls a second, from when a call was due (median of %d rounds of %s)\n  %-18s %17s %7s %9s %7s\n",
		p.rate, p.latency, p.during, "", "mock", "proxy", "penstock", "added")
	for _, d := range delays() {
		v, late, err := d.measure(ctx, b, servers, p.rate, p.latency, p.during)
		if err != nil {
			return fmt.Errorf("latency of %s: %w", d.name, err)
		}
		for _, x := range [...]struct {
			name string
			of   func(delayed) spread
		}{{"p50", func(v delayed) spread { return v.p50 }}, {"p99", func(v delayed) spread { return v.p99 }}} {
			mock, proxy, penstock := x.of(v[0]), x.of(v[1]), x.of(v[2])
			var added spread // by Penstock to what the proxy takes
			for i := range penstock {
				added = append(added, penstock[i]-proxy[i])
			}
			fmt.Printf("  %-18s  %s %12.0f %7.0f %9.0f %7.0f  (rounds %.0f to %.0f)\n", d.name, x.name,
				mock.median(), proxy.median(), penstock.median(), added.median(), added.low(), added.high())
		}
		fmt.Printf("  %-18s  %s %12.0f  (p99 of calls sent late by loadgen itself)\n", "", "late", late.median())
	}
	fmt.Println()
	return nil
}

// accounted checks that Penstock has a row for each call: what was measured
// had everything on.
func (s *server) accounted(ctx context.Context) error {
	if err := s.settled(ctx); err != nil {
		return err
	}
	rows, err := s.booked(ctx)
	if err != nil {
		return err
	}
	if calls := s.calls.Load(); rows != calls {
		return fmt.Errorf("penstock booked %d rows for %d calls", rows, calls)
	}
	fmt.Printf("every one of %d calls to penstock is in its database\n", s.calls.Load())
	return nil
}
