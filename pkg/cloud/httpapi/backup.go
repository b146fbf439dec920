package httpapi

import (
	"context"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

type repositoryRequest struct{ Body api.RepositoryRequest }

func (repositoryRequest) scope() (calms.Path, error) { return "", nil }

type snapshotRequest struct {
	ID string `path:"id"`
}

func (snapshotRequest) scope() (calms.Path, error) { return "", nil }

func (d *door) repository(ctx context.Context, _ *atRoot) (api.Repository, error) {
	status, err := d.Backup.Status(ctx)
	if err != nil {
		return api.Repository{}, err
	}
	if status.Repository == nil {
		return api.Repository{}, calms.Errorf(calms.KindNotFound, "there is no backup repository").WithHint("calmsctl backup init --folder DIR --recipient AGE-PUBLIC-KEY")
	}
	return *status.Repository, nil
}

func (d *door) createRepository(ctx context.Context, in *repositoryRequest) (api.Repository, error) {
	return d.Backup.Init(ctx, in.Body)
}

func (d *door) snapshots(ctx context.Context, _ *atRoot) (api.Page[api.Snapshot], error) {
	items, err := d.Backup.List(ctx)
	if items == nil {
		items = []api.Snapshot{}
	}
	return api.Page[api.Snapshot]{Items: items}, err
}

func (d *door) createSnapshot(ctx context.Context, _ *atRoot) (api.Snapshot, error) {
	return d.Backup.Create(ctx)
}

func (d *door) snapshot(ctx context.Context, in *snapshotRequest) (api.Snapshot, error) {
	return d.Backup.Snapshot(ctx, in.ID)
}

func (d *door) verifySnapshot(ctx context.Context, in *snapshotRequest) (api.Verification, error) {
	verification, err := d.Backup.Verify(ctx, in.ID)
	if verification.Problems == nil {
		verification.Problems = []string{}
	}
	return verification, err
}
