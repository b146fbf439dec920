package modbus

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/simonvetter/modbus"

	"go.calms.com/calms/pkg/calms"
)

// qualityOf turns the failure of a request into a quality. What is neither a
// fault of the network nor of the frame is an exception of the instrument: the
// library has no common type for those, an unknown code is a plain error.
func qualityOf(err error) calms.Quality {
	switch {
	case errors.Is(err, errConnect):
		return calms.BadNotConnected
	case errors.Is(err, modbus.ErrRequestTimedOut), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return calms.BadTimeout
	case isGarbled(err):
		return calms.BadReply
	case errors.Is(err, io.EOF), isNetwork(err):
		return calms.BadNotConnected
	}
	return calms.BadRefused
}

func isGarbled(err error) bool {
	for _, garbled := range []error{modbus.ErrProtocolError, modbus.ErrBadUnitId, modbus.ErrUnknownProtocolId, modbus.ErrShortFrame, io.ErrUnexpectedEOF} {
		if errors.Is(err, garbled) {
			return true
		}
	}
	return false
}

func isNetwork(err error) bool {
	_, ok := errors.AsType[net.Error](err)
	return ok || errors.Is(err, net.ErrClosed)
}
