package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"penstock/internal/store/storetest"
)

// server is a store of this test's own, which it may stop and kill.
type server struct {
	env   []string     // by which gateways find it
	pids  func() []int // of all its processes
	start func()       // after it was killed
	t     *testing.T
}

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	// Until nobody is new: the first may have had a child before it was told.
	for told := 0; ; {
		pids := s.pids()
		for _, pid := range pids {
			if err := syscall.Kill(pid, sig); err != nil && err != syscall.ESRCH {
				s.t.Fatalf("signal %d: %v", pid, err)
			}
		}
		if len(pids) == told {
			return
		}
		told = len(pids)
	}
}

// ownRedis starts a Redis without persistence: what it knew is lost when it is
// killed. The database is the tests' own.
func ownRedis(t *testing.T) *server {
	t.Helper()
	database := storetest.EmptyPostgresURL(t)
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	// Under /tmp, because a socket's path must be shorter than 108 bytes.
	dir, err := os.MkdirTemp("/tmp", "penstock-redis") //nolint:usetesting // a test's own is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "redis.sock")
	var cmd *exec.Cmd
	s := &server{t: t, env: []string{"DATABASE_URL=" + database, "REDIS_URL=unix://" + socket}}
	s.pids = func() []int { return []int{cmd.Process.Pid} }
	s.start = func() {
		if cmd != nil {
			_ = cmd.Wait() // it was killed
		}
		cmd = exec.Command(path, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	s.start()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	})
	return s
}

// ownPostgres starts a PostgreSQL.
func ownPostgres(t *testing.T) *server {
	t.Helper()
	storetest.EmptyPostgresURL(t)                   // skips where there is none
	dir, err := os.MkdirTemp("/tmp", "penstock-pg") //nolint:usetesting // as above
	if err != nil {
		t.Fatal(err)
	}
	run := func(what string) string {
		cmd := exec.Command("/bin/sh", "../../scripts/services.sh", what)
		cmd.Env = append(os.Environ(), "SERVICES_DIR="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("services.sh %s: %v", what, err)
		}
		return string(out)
	}
	settings := run("start")
	_, dsn, _ := strings.Cut(settings, "TEST_POSTGRES_DSN='")
	dsn, _, _ = strings.Cut(dsn, "'")
	s := &server{t: t, env: []string{"DATABASE_URL=" + dsn}}
	t.Cleanup(func() {
		s.signal(syscall.SIGCONT)
		run("stop")
		_ = os.RemoveAll(dir)
	})
	s.pids = func() []int {
		b, err := os.ReadFile(filepath.Join(dir, "pg", "postmaster.pid"))
		if err != nil {
			return nil
		}
		first, _, _ := strings.Cut(string(b), "\n")
		master, err := strconv.Atoi(strings.TrimSpace(first))
		if err != nil {
			t.Fatal(err)
		}
		pids := []int{master}
		stats, _ := filepath.Glob("/proc/[0-9]*/stat")
		for _, path := range stats {
			b, err := os.ReadFile(path)
			if err != nil {
				continue // it has ended
			}
			// "pid (name) state parent ...", and a name may hold anything.
			_, rest, _ := strings.Cut(string(b[strings.LastIndexByte(string(b), ')')+1:]), " ")
			fields := strings.Fields(rest)
			if len(fields) > 1 && fields[1] == strconv.Itoa(master) {
				pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
				pids = append(pids, pid)
			}
		}
		return pids
	}
	return s
}

// limits waits until every replica says that the store of limits is so.
func (f *fleet) limits(state string) {
	f.t.Helper()
	for _, h := range f.hs {
		h.eventually("limits are "+state, func() bool {
			return strings.Contains(h.do("GET", "/health/readiness", "", "").body, `"state":"`+state+`"`)
		})
	}
}

// meet waits until every replica knows how many there are.
func (f *fleet) meet() {
	f.t.Helper()
	for _, h := range f.hs {
		h.eventually("it knows the others", func() bool { return h.metric("penstock_limit_replicas") == 3 })
	}
}

// keepAsking sends calls one after another on every replica, until stop is
// closed, and counts what becomes of them.
func (f *fleet) keepAsking(stop <-chan struct{}, key string) *outcome {
	o := &outcome{status: map[int]int{}, example: map[int]*answer{}}
	var wg sync.WaitGroup
	for _, h := range f.hs {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				one := f.storm([]*house{h}, 1, key, `"model":"m","max_tokens":5`)
				o.mu.Lock()
				for status, n := range one.status {
					o.status[status] += n
					o.example[status] = one.example[status]
				}
				o.longest = max(o.longest, one.longest)
				o.begun = append(o.begun, one.begun...)
				o.mu.Unlock()
			}
		})
	}
	wg.Wait()
	return o
}

// The store is stopped as it stands, with its connections open: nothing fails,
// nothing answers. Calls go on within the deadline, by the policy of each kind
// of limit; afterwards everything is counted.
func TestTheStoreIsPaused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		open func(*testing.T) *server
	}{{"redis", ownRedis}, {"postgres alone", ownPostgres}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := tt.open(t)
			f := openFleet(t, oneModel("mock-tokens=5")+"general_settings: {limit_store_timeout: 0.5, on_store_failure: {tokens: open, budgets: closed}}\n", s.env...)
			requests, tokens, money := f.key(`"rpm_limit":60`), f.key(`"tpm_limit":60`), f.key(`"max_budget":0.1`)
			f.meet()
			count := map[string]int{}
			for _, key := range []string{requests, tokens, money} {
				count[key] = f.storm(f.hs, 3, key, `"model":"m","max_tokens":5`).count(200)
				if count[key] != 3 {
					t.Fatalf("%d of 3 calls", count[key])
				}
			}

			const pause = 2 * time.Second // at least: it goes on when all has been looked at
			s.signal(syscall.SIGSTOP)
			var wg sync.WaitGroup
			outcomes := map[string]*outcome{}
			var mu sync.Mutex
			stop := make(chan struct{})
			time.AfterFunc(pause, func() { close(stop) })
			for _, key := range []string{requests, tokens, money} {
				wg.Go(func() {
					o := f.keepAsking(stop, key)
					mu.Lock()
					defer mu.Unlock()
					outcomes[key] = o
				})
			}
			f.limits("disconnected")
			wg.Wait()
			for key, o := range outcomes {
				if o.longest > pause*3/4 {
					t.Errorf("a call took %v while the store was paused", o.longest)
				}
				count[key] += o.count(200)
			}
			for _, h := range f.hs {
				if longest := h.metric("penstock_limit_store_longest_wait_seconds"); longest > 0.5+0.3 {
					t.Errorf("a call waited %.3f s for the store; the deadline is 0.5", longest)
				}
				if up := h.metric("penstock_limit_store_up"); up != 0 {
					t.Error("the store's absence is not in the metrics")
				}
			}
			// Over it by what others took just before, at most: docs/guarantees.md.
			if n := count[requests]; n > 60+3 || n < 3+3*10 || outcomes[requests].count(429) == 0 {
				t.Errorf("local_share: %d calls of 60 a minute, %v", n, outcomes[requests].status)
			}
			if o := outcomes[tokens]; o.count(200) == 0 || o.count(200) != o.sum() {
				t.Errorf("open: %v %v", o.status, o.example)
			}
			if o := outcomes[money]; count[money] > 20 || o.count(503) == 0 || o.count(503)+o.count(200) != o.sum() {
				t.Errorf("closed: %v %v", o.status, o.example)
			}

			s.signal(syscall.SIGCONT)
			f.limits("connected")
			if o := f.storm(f.hs, 9, tokens, `"model":"m","max_tokens":5`); o.count(429) != 9 {
				t.Errorf("what was used without the store is not counted: %v", o.status)
			}
			for key, limit := range map[string]int{requests: max(60, count[requests]), money: 20} {
				f.hs[0].eventually("the rest of the limit can be had", func() bool {
					count[key] += f.storm(f.hs, 6, key, `"model":"m","max_tokens":5`).count(200)
					return count[key] >= limit
				})
				if more := f.storm(f.hs, 30, key, `"model":"m","max_tokens":5`).count(200); count[key]+more != limit {
					t.Errorf("%d calls in all, want %d", count[key]+more, limit)
				}
			}
			f.hs[2].eventually("the books say what was spent", func() bool { return f.hs[2].spend(money) == "0.1" })
		})
	}
}

func (o *outcome) sum() int {
	n := 0
	for _, c := range o.status {
		n += c
	}
	return n
}

// Redis is killed under load and comes back empty: what replicas hold and have
// used is told anew. Each replica goes on with its share of what it last knew to
// be left, so that what the others took since then may come on top.
func TestTheStoreIsKilled(t *testing.T) {
	t.Parallel()
	s := ownRedis(t)
	f := openFleet(t, oneModel("mock-tokens=5,latency=50"), s.env...)
	requests, money := f.key(`"rpm_limit":60`), f.key(`"max_budget":0.3`)
	f.meet()
	count, outcomes := map[string]int{}, map[string]*outcome{}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	for _, key := range []string{requests, money} {
		wg.Go(func() {
			o := f.keepAsking(stop, key)
			mu.Lock()
			defer mu.Unlock()
			count[key], outcomes[key] = o.count(200), o
			if o.longest > 2*time.Second {
				t.Errorf("a call took %v", o.longest)
			}
		})
	}
	s.signal(syscall.SIGKILL)
	killed := time.Now()
	f.limits("disconnected")
	s.start()
	f.limits("connected")
	close(stop)
	wg.Wait()
	for key, limit := range map[string]int{requests: 60, money: 60} {
		f.hs[0].eventually("the rest of the limit can be had", func() bool {
			count[key] += f.storm(f.hs, 6, key, `"model":"m","max_tokens":5`).count(200)
			return count[key] >= limit
		})
		early := outcomes[key].before(killed)
		if more := f.storm(f.hs, 30, key, `"model":"m","max_tokens":5`).count(200); more > 0 || count[key] > limit+early {
			t.Errorf("%d calls, and %d more; want %d, and %d at the most that had begun before", count[key], more, limit, early)
		}
	}
	spent := strconv.FormatFloat(float64(count[money])*0.005, 'f', -1, 64)
	f.hs[2].eventually("the books say what was spent: "+spent, func() bool { return f.hs[2].spend(money) == spent })
}
