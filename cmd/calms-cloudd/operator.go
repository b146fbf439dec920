package main

import (
	"context"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/durable"
)

// makeOperator makes the first operator, whose key goes to a file that only the
// daemon's user can read.
func (c *cloud) makeOperator(ctx context.Context) error {
	return c.identity.Bootstrap(ctx, func(key string) error {
		root, err := c.pki.RootCertificate()
		if err != nil {
			return err
		}
		file := api.OperatorFile{URL: c.doors.apiURL(c.config), CA: string(certs.EncodeChain(root)), Key: key}
		text, err := file.Marshal()
		if err != nil {
			return err
		}
		c.newOperator = true
		return durable.WriteFile(c.place.path(operatorName), text, 0o600)
	})
}
