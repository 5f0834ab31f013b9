package app_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"penstock/internal/mock"
)

const benchBody = `{"model":"m","messages":[{"role":"user","content":"The quick brown fox jumps over the lazy dog. The quick brown fox jumps over the lazy dog."}]}`

func benchRequest(key string) []byte {
	return fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", key, len(benchBody), benchBody)
}

// benchUpstream is a provider that repeats what the mock says to a small chat.
func benchUpstream(b *testing.B) *parrot {
	b.Helper()
	model := mock.New(mock.Options{})
	said := httptest.NewServer(model)
	b.Cleanup(func() { model.Close(); said.Close() })
	up := &parrot{answer: dial(b, said.URL).ask(b, benchRequest("k"))}
	up.listen(b)
	return up
}

// benchHouse is a gateway in front of it.
func benchHouse(b *testing.B, up *parrot) *house {
	b.Helper()
	return start(b, "model_list: [{model_name: m, litellm_params: {model: openai/mock, api_base: \""+up.url+"/v1\", api_key: k, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}}]")
}

const benchLimits = `"rpm_limit":1000000000,"tpm_limit":1000000000000,"max_parallel_requests":100000,"max_budget":1000000,"budget_duration":"30d"`

// Calls of many keys at once, each key with every kind of limit. Its mutex
// profile says whether calls wait for a lock that they share: scripts/bench
// prints it.
func BenchmarkManyKeys(b *testing.B) {
	const keys = 32
	h := benchHouse(b, benchUpstream(b))
	var asks [keys][]byte
	for i := range asks {
		asks[i] = benchRequest(h.key(benchLimits))
		dial(b, h.url).ask(b, asks[i])
	}
	var next atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(keys / runtime.GOMAXPROCS(0))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		i := int(next.Add(1)-1) % keys
		c := dial(b, h.url)
		for pb.Next() {
			c.ask(b, asks[i])
		}
	})
}

// What a whole small chat allocates in the gateway, with every kind of limit on
// key, user and team, journal and booking; and in a bare reverse proxy. The
// client and the provider are in this process too, so they are made of plain
// connections that allocate nothing; the provider repeats what the mock said.
func BenchmarkSmallChat(b *testing.B) {
	up := benchUpstream(b)

	b.Run("penstock", func(b *testing.B) {
		h := benchHouse(b, up)
		const all = benchLimits
		for _, x := range [...][2]string{{"/team/new", `{"team_id":"t",` + all + `}`}, {"/user/new", `{"user_id":"u","auto_create_key":false,` + all + `}`}} {
			if res, said := h.do("POST", x[0], master, x[1]); res.StatusCode != 200 {
				b.Fatalf("%s: %d %s", x[0], res.StatusCode, said)
			}
		}
		c, ask := dial(b, h.url), benchRequest(h.key(`"team_id":"t","user_id":"u",`+all))
		c.ask(b, ask)
		b.ReportAllocs()
		for b.Loop() {
			c.ask(b, ask)
		}
		// Booking is part of a call, and this report waits for it.
		b.StartTimer()
		if res, said := h.do("GET", "/global/spend", master, ""); res.StatusCode != 200 {
			b.Fatalf("/global/spend: %d %s", res.StatusCode, said)
		}
		b.StopTimer()
	})
	b.Run("ReverseProxy", func(b *testing.B) {
		to, err := url.Parse(up.url)
		if err != nil {
			b.Fatal(err)
		}
		transport := &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}
		proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, Transport: transport})
		b.Cleanup(func() { proxy.Close(); transport.CloseIdleConnections() })
		c, ask := dial(b, proxy.URL), benchRequest("k")
		c.ask(b, ask)
		b.ReportAllocs()
		for b.Loop() {
			c.ask(b, ask)
		}
	})
}

// wire is a connection and what was read from it.
type wire struct {
	c   net.Conn
	buf []byte
}

// message reads one HTTP message and returns it until the next is read. Its
// end is told by a Content-Length or the last chunk.
func (w *wire) message() ([]byte, error) {
	for n := 0; ; {
		m, err := w.c.Read(w.buf[n:])
		if n += m; err != nil {
			return nil, err
		}
		head, body, found := bytes.Cut(w.buf[:n], []byte("\r\n\r\n"))
		if !found {
			continue
		}
		_, value, known := bytes.Cut(head, []byte("\r\nContent-Length: "))
		if !known {
			if bytes.HasSuffix(body, []byte("0\r\n\r\n")) {
				return w.buf[:n], nil
			}
			continue
		}
		value, _, _ = bytes.Cut(value, []byte("\r\n"))
		if size, err := strconv.Atoi(string(value)); err != nil || len(body) >= size {
			return w.buf[:n], err
		}
	}
}

func dial(b *testing.B, at string) *wire {
	b.Helper()
	c, err := new(net.Dialer).DialContext(b.Context(), "tcp", strings.TrimPrefix(at, "http://"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	return &wire{c, make([]byte, 64<<10)}
}

func (w *wire) ask(b *testing.B, request []byte) []byte {
	_, err := w.c.Write(request)
	if err != nil {
		b.Fatal(err)
	}
	answer, err := w.message()
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) {
		b.Fatalf("%v %s", err, answer)
	}
	return answer
}

// parrot is a server that always says the same.
type parrot struct {
	answer []byte
	url    string
}

func (p *parrot) listen(b *testing.B) {
	p.answer = slices.Clone(p.answer)
	ln, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	p.url = "http://" + ln.Addr().String()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	b.Cleanup(func() {
		_ = ln.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return // closed
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() {
				w := &wire{c, make([]byte, 64<<10)}
				for {
					if _, err := w.message(); err != nil {
						if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
							b.Logf("provider: %v", err)
						}
						return
					}
					if _, err := c.Write(p.answer); err != nil {
						return
					}
				}
			})
		}
	})
}
