package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

// The ways to prove who one is, as the document names them.
const (
	operatorKey = "operatorKey"
	deviceCert  = "deviceCertificate"
)

// public is the action of routes that anybody may ask.
const public calms.Action = ""

// route is one row of the table of routes.
type route struct {
	method  string
	path    string
	id      string       // operation id in the document
	action  calms.Action // what the operator must be allowed to do; or public
	summary string
}

// option changes the operation that a route becomes.
type option = func(*huma.Operation)

// scoped is a request that says which path it is about: there the operator must
// be allowed the route's action.
type scoped interface {
	scope() (calms.Path, error)
}

// answer is a response as huma wants it.
type answer[T any] struct{ Body T }

// add puts a route into the API: authentication, then the request's form, then
// the permission, then the handler.
func add[I scoped, T any](d *door, r route, handle func(context.Context, *I) (T, error), options ...option) {
	huma.Register(d.api, d.operation(r, options), func(ctx context.Context, in *I) (*answer[T], error) {
		if err := authorise(ctx, r.action, *in); err != nil {
			return nil, problemOf(ctx, d.Log, err)
		}
		body, err := handle(ctx, in)
		if err != nil {
			return nil, problemOf(ctx, d.Log, err)
		}
		return &answer[T]{body}, nil
	})
}

// addDelete is [add] for routes that answer nothing.
func addDelete[I scoped](d *door, r route, handle func(context.Context, *I) error) {
	huma.Register(d.api, d.operation(r, nil), func(ctx context.Context, in *I) (*struct{}, error) {
		if err := authorise(ctx, r.action, *in); err != nil {
			return nil, problemOf(ctx, d.Log, err)
		}
		if err := handle(ctx, in); err != nil {
			return nil, problemOf(ctx, d.Log, err)
		}
		return nil, nil
	})
}

func (d *door) operation(r route, options []option) huma.Operation {
	op := huma.Operation{
		Method:       r.method,
		Path:         r.path,
		OperationID:  r.id,
		Summary:      r.summary,
		MaxBodyBytes: maxBody,
		Tags:         []string{strings.SplitN(r.path, "/", 4)[2]},
		Responses:    map[string]*huma.Response{"default": d.problemResponse()},
	}
	if r.action != public {
		op.Description = "Needs the permission `" + string(r.action) + "`."
		op.Security = []map[string][]string{{operatorKey: {}}}
		op.Middlewares = huma.Middlewares{d.authenticate}
	}
	for _, change := range options {
		change(&op)
	}
	return op
}

func (d *door) problemResponse() *huma.Response {
	return &huma.Response{
		Description: "A problem, after RFC 9457",
		Content:     map[string]*huma.MediaType{problemType: {Schema: schemaOf[api.Problem](d)}},
	}
}

// schemaOf is T in the document.
func schemaOf[T any](d *door) *huma.Schema {
	return d.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
}

type operatorContextKey struct{}

// authenticate finds the operator behind a request. It runs before anything of
// the request is looked at.
func (d *door) authenticate(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || key == "" {
		newProblem(r.Context(), http.StatusUnauthorized, calms.KindUnauthenticated, "no operator's key in the Authorization header",
			"calmsctl context create NAME --operator-file FILE").write(w)
		return
	}
	operator, err := d.Identity.Authenticate(r.Context(), key)
	if err != nil {
		problemOf(r.Context(), d.Log, err).write(w)
		return
	}
	inner := store.WithActor(ctx.Context(), "operator:"+operator.Name)
	next(huma.WithContext(ctx, context.WithValue(inner, operatorContextKey{}, operator)))
}

func authorise(ctx context.Context, action calms.Action, request scoped) error {
	path, err := request.scope()
	if err != nil || action == public {
		return err
	}
	operator, _ := ctx.Value(operatorContextKey{}).(Operator)
	if operator.Allows(action, path) {
		return nil
	}
	where := string(path)
	if where == "" {
		where = "the whole installation"
	}
	return calms.Errorf(calms.KindForbidden, "operator %q is not allowed %s on %s", operator.Name, action, where)
}
