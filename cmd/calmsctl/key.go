package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

func newKey(a *app) *cobra.Command {
	return group("key", "List and rotate the keys that edges seal to", "calmsctl key list\ncalmsctl key rotate", newKeyList(a), newKeyRotate(a))
}

func newKeyList(a *app) *cobra.Command {
	return spec{
		use:     "list",
		aliases: []string{"ls"},
		short:   "List the keys, newest first",
		example: "calmsctl key list\ncalmsctl key list -o json",
		args:    noArgs,
		exits:   []calms.Kind{calms.KindForbidden, calms.KindUnreachable},
		run: a.asking(func(ctx context.Context, client *api.Client, _ *cobra.Command, _ []string) error {
			keys, err := client.ListKeys(ctx)
			if err != nil {
				return err
			}
			return printList(a, keyView(), keys)
		}),
	}.command()
}

func newKeyRotate(a *app) *cobra.Command {
	return spec{
		use:   "rotate",
		short: "Make a new key",
		long: `Makes a new key that edges will seal to. It is used as soon as a complete snapshot in the
repository holds it, so that no edge ever seals to a key that a fire could take. Older
keys are kept: journals may still need them.`,
		example: "calmsctl key rotate && calmsctl backup create",
		args:    noArgs,
		exits:   []calms.Kind{calms.KindForbidden, calms.KindUnreachable},
		run: a.asking(func(ctx context.Context, client *api.Client, _ *cobra.Command, _ []string) error {
			key, err := client.RotateKey(ctx)
			if err != nil {
				return err
			}
			a.note("It waits until a snapshot holds it. Next: calmsctl backup create")
			return printOne(a, keyView(), key)
		}),
	}.command()
}

func keyView() view[api.Key] {
	return view[api.Key]{
		name: func(k api.Key) string { return k.ID },
		none: "no keys",
		columns: []column[api.Key]{
			{title: "KEY", cell: func(k api.Key) string { return k.ID }},
			{title: "STATE", cell: func(k api.Key) string { return k.State }},
			{title: "CREATED", cell: func(k api.Key) string { return localTime(k.Created) }},
			{title: "USED SINCE", cell: func(k api.Key) string { return localTimeOrNone(k.Active) }},
		},
	}
}

func localTimeOrNone(t *time.Time) string {
	if t == nil {
		return ""
	}
	return localTime(*t)
}
