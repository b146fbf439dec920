package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

// completionLimit is how long a shell may hang when the user presses Tab.
const completionLimit = 300 * time.Millisecond

// fixed completes from a list.
func fixed(words ...string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// live completes from the cloud. Where that fails or takes too long there is
// nothing to offer; a shell is no place for errors.
func (a *app) live(ask func(context.Context, *api.Client) ([]string, error)) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(context.Background(), completionLimit)
		defer cancel()
		if err := a.load(); err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		client, err := a.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		words, err := ask(ctx, client)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return slices.DeleteFunc(words, func(word string) bool {
			return !strings.HasPrefix(word, begun) || slices.Contains(args, word)
		}), cobra.ShellCompDirectiveNoFileComp
	}
}

// first completes only the first argument.
func first(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, begun)
	}
}

// completePaths offers what exists at the levels.
func (a *app) completePaths(levels ...calms.Level) cobra.CompletionFunc {
	return a.live(func(ctx context.Context, c *api.Client) ([]string, error) {
		var paths []string
		for _, level := range levels {
			more, err := pathsAt(ctx, c, level)
			if err != nil {
				return nil, err
			}
			paths = append(paths, more...)
		}
		return paths, nil
	})
}

func pathsAt(ctx context.Context, c *api.Client, level calms.Level) ([]string, error) {
	switch level {
	case calms.LevelOrganisation:
		items, err := c.ListOrgs(ctx, "")
		return each(items, func(o api.Org) string { return o.Path }), err
	case calms.LevelSite:
		items, err := c.ListSites(ctx, "")
		return each(items, func(s api.Site) string { return s.Path }), err
	case calms.LevelDevice:
		items, err := c.ListDevices(ctx, "")
		return each(items, func(d api.Device) string { return d.Path }), err
	default:
		items, err := c.ListChannels(ctx, "")
		return each(items, func(ch api.Channel) string { return ch.Path }), err
	}
}

func each[T any](items []T, f func(T) string) []string {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = f(item)
	}
	return words
}

func (a *app) completeSnapshots() cobra.CompletionFunc {
	return a.live(func(ctx context.Context, c *api.Client) ([]string, error) {
		items, err := c.ListSnapshots(ctx)
		return append([]string{latest}, each(items, func(s api.Snapshot) string { return s.ID })...), err
	})
}

func (a *app) completeContexts(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	if err := a.load(); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return each(a.config.Contexts, func(p profile) string { return p.Name }), cobra.ShellCompDirectiveNoFileComp
}
