package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// bench is where one run lives and what it runs.
type bench struct {
	penstock, proxy string   // programs
	pin             []string // what a gateway is started with: taskset -c 0, or nothing
	tmp             string
	upstream        string // the mock's URL
	started         int
	say             func(format string, args ...any) // progress
}

// server is a running process that answers HTTP.
type server struct {
	name, url string
	key       string // calls are made with it
	master    string // of Penstock, "" for others
	pid       int
	calls     atomic.Int64  // sent to it so far
	ready     time.Duration // from its exec to its first answer
	client    *http.Client
	log       string
	cmd       *exec.Cmd
	gone      chan struct{} // closed when it has ended
}

// start runs argv, in which ADDR is where to listen, and waits for an answer
// to GET path, which it asks for every millisecond. ok says which status will do.
func (b *bench) start(ctx context.Context, name string, argv []string, path string, ok func(status int) bool) (*server, error) {
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	b.started++
	s := &server{name: name, url: "http://" + addr, log: filepath.Join(b.tmp, fmt.Sprintf("%d-%s.log", b.started, name)), gone: make(chan struct{})}
	_, port, _ := net.SplitHostPort(addr)
	args := make([]string, len(argv))
	for i, a := range argv {
		args[i] = strings.NewReplacer("ADDR", addr, "PORT", port).Replace(a)
	}
	out, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	s.cmd = exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // the programs of scripts/bench
	s.cmd.Stdout, s.cmd.Stderr = out, out
	// Nothing of the caller's shell: no other configuration, proxy or GOGC.
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.tmp, "TZ=UTC", "LITELLM_MASTER_KEY=" + masterKey}
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 10 * time.Second
	s.client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 2000, DisableCompression: true, IdleConnTimeout: 30 * time.Second}}
	begin := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	s.pid = s.cmd.Process.Pid
	go func() {
		_ = s.cmd.Wait() // how it ended is in its log
		close(s.gone)
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		status, _, err := s.get(ctx, path)
		if err == nil && ok(status) {
			s.ready = time.Since(begin)
			return s, nil
		}
		if time.Since(begin) > 30*time.Second {
			return nil, errors.Join(s.trouble("%s does not answer: status %d, %v", name, status, err), s.stop())
		}
		select {
		case <-s.gone:
			return nil, s.trouble("%s has ended", name)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// trouble is an error with the end of the server's log.
func (s *server) trouble(format string, args ...any) error {
	said, _ := os.ReadFile(s.log)
	return fmt.Errorf(format+"\n%s", append(args, said[max(0, len(said)-2000):])...)
}

// stop ends the server and waits until it is gone.
func (s *server) stop() error {
	s.client.CloseIdleConnections()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.gone:
		return nil
	case <-time.After(20 * time.Second):
		return errors.Join(s.trouble("%s does not stop", s.name), s.cmd.Process.Kill())
	}
}

func (s *server) get(ctx context.Context, path string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return 0, "", err
	}
	return s.do(req, s.master)
}

func (s *server) do(req *http.Request, key string) (int, string, error) {
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := s.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, string(raw), err
}

// settled waits until all work for calls that have been answered is done, so
// that it is charged to them: Penstock has booked them, and the process is at
// rest, for which two seconds are given.
func (s *server) settled(ctx context.Context) error {
	if s.master != "" {
		// This report waits until every call that has ended is in the database.
		if status, said, err := s.get(ctx, "/global/spend"); err != nil || status != 200 {
			return errors.Join(err, fmt.Errorf("GET /global/spend: %d %s", status, said))
		}
	}
	for range 40 {
		before, err := cpuTime(s.pid)
		if err != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
		after, err := cpuTime(s.pid)
		if err != nil || after-before < time.Millisecond/2 {
			return err
		}
	}
	return nil
}

// booked returns how many rows Penstock has put into its database.
func (s *server) booked(ctx context.Context) (int64, error) {
	status, text, err := s.get(ctx, "/metrics")
	if err != nil || status != 200 {
		return 0, errors.Join(err, fmt.Errorf("GET /metrics: %d", status))
	}
	_, rest, found := strings.Cut(text, "\npenstock_booked_total ")
	if !found {
		return 0, errors.New("GET /metrics: no penstock_booked_total")
	}
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseFloat(line, 64)
	return int64(n), err
}

// memory returns a member of /proc/PID/status that counts kB, in bytes.
func (s *server) memory(member string) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(raw), member+":")
	if f := strings.Fields(rest); found && len(f) > 0 {
		kb, err := strconv.ParseFloat(f[0], 64)
		return kb * 1024, err
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", s.pid, member)
}

// freeAddress returns an address of this machine that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}
