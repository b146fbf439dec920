package api

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// DefaultTimeout bounds a call where [Config] says nothing else.
const DefaultTimeout = 30 * time.Second

// Config says which cloud a [Client] talks to, and as whom.
type Config struct {
	URL     string        // base URL, https only
	CA      []byte        // PEM, the only roots that are trusted; the system's are not
	Key     string        // secret: the operator's key; may be empty where a route asks for none
	Timeout time.Duration // of one call that does not stream; zero is [DefaultTimeout]

	// Certificate, where set, is shown to the server: an edge renews with it.
	Certificate *tls.Certificate

	// Pin, where set, replaces CA: the SHA-256 of the server's own certificate,
	// as a daemon in recovery mode writes it into its [RecoveryFile].
	Pin *[32]byte

	Version string              // the calling program's, sent with every request
	OnSkew  func(server string) // called at most once, when the server runs another Version
}

// Client calls the cloud's API: one method per route. Errors are [calms.Error]:
// the server's kind, detail and hint, with the [Problem] as cause; or
// [calms.KindUnreachable], [calms.KindTimeout], [calms.KindInterrupted] where no
// answer came. It follows no redirects, so the key goes to the given host only.
// Safe for concurrent use.
type Client struct {
	config Config
	base   *url.URL
	http   *http.Client
	skew   sync.Once
}

// NewClient checks the configuration; it does not connect.
func NewClient(config Config) (*Client, error) {
	base, err := parseBase(config.URL)
	if err != nil {
		return nil, err
	}
	trust, err := trustOf(config)
	if err != nil {
		return nil, err
	}
	if config.Certificate != nil {
		trust.Certificates = []tls.Certificate{*config.Certificate}
	}
	config.Timeout = cmp.Or(config.Timeout, DefaultTimeout)
	return newClient(config, base, trust), nil
}

func newClient(config Config, base *url.URL, trust *tls.Config) *Client {
	return &Client{config: config, base: base, http: &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			TLSClientConfig:     trust,
			TLSHandshakeTimeout: config.Timeout,
			ForceAttemptHTTP2:   true,
			// A tail may be silent for hours; pings tell a quiet one from a dead one.
			HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close drops the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func parseBase(text string) (*url.URL, error) {
	base, err := url.Parse(text)
	if err != nil || base.Scheme != "https" || base.Hostname() == "" || base.User != nil {
		return nil, calms.Errorf(calms.KindInvalid, "%q is not the URL of a cloud: https://host[:port] is needed", text)
	}
	base.Path = strings.TrimRight(base.Path, "/")
	return base, nil
}

func trustOf(config Config) (*tls.Config, error) {
	if config.Pin != nil {
		return pinLeaf(*config.Pin), nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(config.CA) {
		return nil, calms.Errorf(calms.KindInvalid, "the certificates to trust hold no PEM certificate")
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots}, nil
}

func (c *Client) noteSkew(server string) {
	if c.config.OnSkew == nil || server == "" || c.config.Version == "" || server == c.config.Version {
		return
	}
	c.skew.Do(func() { c.config.OnSkew(server) })
}

// bounded limits a call in time.
func (c *Client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.config.Timeout)
}
