package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"go.calms.com/calms/pkg/calms"
)

// problemLimit is how much of an error's body is read.
const problemLimit = 64 << 10

// call sends a request bounded in time and decodes the answer into a T.
func call[T any](ctx context.Context, c *Client, method, path string, query url.Values, body any) (T, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	return callSlow[T](ctx, c, method, path, query, body)
}

// callSlow is call for routes whose answer may take as long as it takes.
func callSlow[T any](ctx context.Context, c *Client, method, path string, query url.Values, body any) (T, error) {
	var answer T
	response, err := c.send(ctx, method, path, query, body)
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNoContent {
		return answer, nil
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return answer, c.broken(ctx, err)
	}
	return answer, nil
}

// send returns a response of a status below 300, whose body the caller closes.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	request, err := c.request(ctx, method, path, query, body)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	c.noteSkew(response.Header.Get(VersionHeader))
	if response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	if response.StatusCode < 400 {
		return nil, calms.Errorf(calms.KindInvalid, "%s sends elsewhere (%s): it is not the address of the cloud itself", c.base.Host, response.Status).
			WithHint("check the URL: calmsctl context show; redirects are not followed, because the key goes to the given host only")
	}
	return nil, problemOf(response)
}

func (c *Client) request(ctx context.Context, method, path string, query url.Values, body any) (*http.Request, error) {
	target, err := c.target(path)
	if err != nil {
		return nil, err
	}
	target.RawQuery = query.Encode()
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, calms.Errorf(calms.KindInternal, "encode %s %s: %w", method, path, err)
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, target.String(), content)
	if err != nil {
		return nil, calms.Errorf(calms.KindInvalid, "%w", err)
	}
	c.setHeaders(request)
	return request, nil
}

// target is the address of an escaped path. Segments that servers normalise away
// cannot be escaped: the request would go to another route, or in a circle.
func (c *Client) target(path string) (*url.URL, error) {
	for _, segment := range strings.Split(path, "/")[1:] {
		if segment == "" || segment == "." || segment == ".." {
			return nil, calms.Errorf(calms.KindInvalid, "%q is no name that anything can have", segment)
		}
	}
	target := *c.base
	target.RawPath = c.base.EscapedPath() + path
	var err error
	if target.Path, err = url.PathUnescape(target.RawPath); err != nil {
		return nil, calms.Errorf(calms.KindInternal, "%w", err)
	}
	return &target, nil
}

func (c *Client) setHeaders(request *http.Request) {
	request.Header.Set("Accept", "application/json, application/jsonl, application/problem+json")
	if request.Body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.config.Key != "" {
		request.Header.Set("Authorization", "Bearer "+c.config.Key)
	}
	if c.config.Version != "" {
		request.Header.Set(VersionHeader, c.config.Version)
	}
}

// problemOf reads an error response. What is no problem document, such as a
// proxy's page, is told by its status alone.
func problemOf(response *http.Response) error {
	problem := &Problem{Status: response.StatusCode}
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if media == "application/problem+json" {
		_ = json.NewDecoder(io.LimitReader(response.Body, problemLimit)).Decode(problem)
	}
	problem.RequestID = cmp.Or(problem.RequestID, response.Header.Get(RequestIDHeader))
	problem.Kind = cmp.Or(problem.Kind, kindOfStatus(response.StatusCode))
	problem.Detail = cmp.Or(problem.Detail, problem.Title, "the server answered "+response.Status)
	return &calms.Error{Kind: problem.Kind, Msg: problem.Detail, Hint: problem.Hint, Err: problem}
}

// Error is the problem's detail: a [Problem] is the cause of the errors that a
// [Client] returns, so that a caller finds the request id.
func (p *Problem) Error() string { return p.Detail }

// kindOfStatus is the reverse of [HTTPStatus] for servers in between that know
// no kinds.
func kindOfStatus(status int) calms.Kind {
	switch {
	case status == http.StatusUnauthorized:
		return calms.KindUnauthenticated
	case status == http.StatusForbidden:
		return calms.KindForbidden
	case status == http.StatusNotFound:
		return calms.KindNotFound
	case status == http.StatusConflict:
		return calms.KindConflict
	case status == http.StatusGatewayTimeout:
		return calms.KindTimeout
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusTooManyRequests:
		return calms.KindUnavailable
	case status >= 400 && status < 500:
		return calms.KindInvalid
	default:
		return calms.KindInternal
	}
}
