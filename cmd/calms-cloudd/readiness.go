package main

import (
	"context"
	"sync"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/daemon"
)

// readiness remembers what the targets say of themselves, for the API's status.
type readiness struct {
	mu       sync.Mutex
	services []api.Service // guarded by mu; in the order of the targets
}

func newReadiness() *readiness { return &readiness{} }

// follow returns the targets with their reports listened to.
func (r *readiness) follow(targets []daemon.Target) []daemon.Target {
	for i, t := range targets {
		r.services = append(r.services, api.Service{Name: t.Name, Error: "starting"})
		targets[i].Run = func(ctx context.Context, report func(error)) error {
			return t.Run(ctx, func(err error) {
				r.note(i, err)
				report(err)
			})
		}
	}
	return targets
}

func (r *readiness) note(i int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.services[i].Ready, r.services[i].Error = err == nil, ""
	if err != nil {
		r.services[i].Error = err.Error()
	}
}

func (r *readiness) list() []api.Service {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]api.Service{}, r.services...)
}
