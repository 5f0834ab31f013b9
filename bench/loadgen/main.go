package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ticks is USER_HZ, which Linux fixes at 100 for every architecture we know.
const ticks = 100

// side is one gateway under test.
type side struct {
	name, url, key string
	pid            int
	cpu            []float64 // microseconds per unit, one a round
	p50, p99       []float64 // microseconds
}

// load is one kind of traffic.
type load struct {
	name, path, model, extra string
	prompt                   int // bytes
	calls, conns             int
	units                    int // what CPU is divided by, per call: 1, or chunks
}

func main() {
	penstock := flag.String("penstock", "", "URL,pid,key of Penstock")
	proxy := flag.String("proxy", "", "URL,pid of the reverse proxy")
	scale := flag.Float64("scale", 1, "multiplies the number of calls")
	rounds := flag.Int("rounds", 3, "times each is measured")
	prepare := flag.String("setup", "", "URL,master key: make a key with -limits on itself, its user and its team, and print it")
	limits := flag.String("limits", "", "members of the key's JSON")
	only := flag.String("only", "", "measure only the loads whose name begins so")
	flag.Parse()
	if *prepare != "" {
		if err := setup(*prepare, *limits); err != nil {
			fmt.Fprintln(os.Stderr, "loadgen:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(*penstock, *proxy, *only, *scale, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
}

// setup makes the key that calls are made with.
func setup(where, limits string) error {
	url, key, _ := strings.Cut(where, ",")
	for _, step := range [...]struct{ path, body string }{
		{"/team/new", `{"team_id":"bench",` + limits + `}`},
		{"/user/new", `{"user_id":"bench","auto_create_key":false,` + limits + `}`},
		{"/key/generate", `{"user_id":"bench","team_id":"bench",` + limits + `}`},
	} {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url+step.path, strings.NewReader(step.body))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+key)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		raw, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != 200 {
			return errors.Join(err, fmt.Errorf("%s: %d %s", step.path, res.StatusCode, raw))
		}
		if step.path == "/key/generate" {
			_, rest, _ := strings.Cut(string(raw), `"key":"`)
			made, _, _ := strings.Cut(rest, `"`)
			fmt.Println(made)
		}
	}
	return nil
}

func parse(name, s string) (*side, error) {
	f := strings.Split(s, ",")
	if len(f) < 2 {
		return nil, fmt.Errorf("-%s: want URL,pid", name)
	}
	pid, err := strconv.Atoi(f[1])
	if err != nil {
		return nil, err
	}
	out := &side{name: name, url: f[0], pid: pid}
	if len(f) > 2 {
		out.key = f[2]
	}
	return out, nil
}

func run(penstock, proxy, only string, scale float64, rounds int) error {
	a, err1 := parse("penstock", penstock)
	b, err2 := parse("proxy", proxy)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	loads := []load{
		{"small chat", "/v1/chat/completions", "mock", "", 200, 8000, 16, 1},
		{"stream, per chunk", "/v1/chat/completions", "mock-tokens=50,chunks=50,gap=5", `,"stream":true`, 200, 300, 50, 50},
		{"17 KB embedding", "/v1/embeddings", "mock-large=17000", "", 200, 4000, 16, 1},
		{"100 KB prompt", "/v1/chat/completions", "mock", "", 100 << 10, 2000, 8, 1},
		{"1 MB prompt", "/v1/chat/completions", "mock", "", 1 << 20, 250, 4, 1},
	}
	fmt.Printf("%-20s %10s %10s %7s   %s\n", "", "penstock", "proxy", "ratio", "added p50/p99, us")
	for _, l := range loads {
		if only != "" && !strings.HasPrefix(l.name, only) {
			continue
		}
		l.calls = max(int(float64(l.calls)*scale), 20)
		for _, s := range []*side{a, b} {
			s.cpu, s.p50, s.p99 = nil, nil, nil
		}
		for range rounds {
			for _, s := range []*side{a, b} { // in turn, because the machine drifts
				if err := measure(s, &l); err != nil {
					return fmt.Errorf("%s, %s: %w", l.name, s.name, err)
				}
			}
		}
		fmt.Printf("%-20s %7.1f us %7.1f us %7.2f   %.0f / %.0f\n", l.name, median(a.cpu), median(b.cpu), median(a.cpu)/median(b.cpu),
			median(a.p50)-median(b.p50), median(a.p99)-median(b.p99))
	}
	if only != "" {
		return nil
	}
	const streams = 1000
	l := load{path: "/v1/chat/completions", model: "mock-tokens=40,chunks=40,gap=50", extra: `,"stream":true`, prompt: 200, calls: streams, conns: streams}
	for _, s := range []*side{a, b} {
		if err := measure(s, &l); err != nil {
			return fmt.Errorf("1,000 streams, %s: %w", s.name, err)
		}
	}
	ra, rb := peak(a.pid), peak(b.pid)
	fmt.Printf("%-20s %7.0f MB %7.0f MB %7.2f\n", "1,000 streams, RSS", ra, rb, ra/rb)
	return nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// measure sends the load's calls over its connections and notes what they cost.
func measure(s *side, l *load) error {
	text := strings.Repeat("The quick brown fox jumps over the lazy dog. ", l.prompt/45+1)[:l.prompt]
	body := fmt.Appendf(nil, `{"model":%q,"messages":[{"role":"user","content":%q}]%s}`, l.model, text, l.extra)
	if strings.HasSuffix(l.path, "embeddings") {
		body = fmt.Appendf(nil, `{"model":%q,"input":%q}`, l.model, text)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: l.conns, DisableCompression: true}}
	defer client.CloseIdleConnections()
	call := func() error {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.url+l.path, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+s.key)
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != 200 {
			said, _ := io.ReadAll(io.LimitReader(res.Body, 300))
			return fmt.Errorf("status %d: %s", res.StatusCode, said)
		}
		_, err = io.Copy(io.Discard, res.Body)
		return err
	}
	if err := call(); err != nil { // and warm up
		return err
	}
	before, err := cpu(s.pid)
	if err != nil {
		return err
	}
	var next atomic.Int64
	var mu sync.Mutex
	var took []float64
	var first error
	var wg sync.WaitGroup
	for range l.conns {
		wg.Go(func() {
			for next.Add(1) <= int64(l.calls) {
				start := time.Now()
				err := call()
				mu.Lock()
				if err != nil && first == nil {
					first = err
				}
				took = append(took, float64(time.Since(start).Microseconds()))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if first != nil {
		return first
	}
	after, err := cpu(s.pid)
	if err != nil {
		return err
	}
	slices.Sort(took)
	s.cpu = append(s.cpu, (after-before)*1e6/float64(l.calls*max(l.units, 1)))
	s.p50 = append(s.p50, took[len(took)/2])
	s.p99 = append(s.p99, took[len(took)*99/100])
	return nil
}

// cpu returns the seconds of processor time a process has used.
func cpu(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), ") ") // the name may have spaces
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(f))
	}
	user, err1 := strconv.ParseFloat(f[11], 64)
	system, err2 := strconv.ParseFloat(f[12], 64)
	return (user + system) / ticks, errors.Join(err1, err2)
}

// peak returns the most memory a process has had, in megabytes.
func peak(pid int) float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // 0 says that it is not known
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	kb, _ := strconv.ParseFloat(strings.Fields(rest + " 0")[0], 64)
	return kb / 1024
}
