package modbus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"time"

	"github.com/simonvetter/modbus"

	"go.calms.com/calms/pkg/calms"
)

// The pauses between attempts to connect, doubled from one to the other.
const (
	firstPause = 100 * time.Millisecond
	longPause  = 10 * time.Second
)

// link is the one connection to an instrument. The library knows no contexts
// and cannot be interrupted, so each of its calls runs in a goroutine of its
// own; a call that outlives its context is left to end and close its client,
// and no new connection is opened before it has.
type link struct {
	address string
	unit    uint8
	timeout time.Duration

	client   *modbus.ModbusClient // nil: not connected
	proven   bool                 // client has answered before
	leftover chan struct{}        // closed when the call left behind has ended; nil: none
	failures int                  // in a row, without any answer between
	parked   error                // why there is a pause
	resume   time.Time            // end of the pause
}

// errConnect marks failures before there was a connection.
var errConnect = errors.New("not connected")

// read fetches count registers. Exceptions of the instrument leave the
// connection open, all other failures close it: what arrives late on it can
// never be taken for another answer.
func (l *link) read(ctx context.Context, f Function, address, count int) ([]uint16, error) {
	reused := l.client != nil && l.proven
	words, err := l.attempt(ctx, f, address, count)
	if reused && isLost(err) && ctx.Err() == nil {
		// Instruments close idle connections; that is no failure of theirs.
		l.resume = time.Time{}
		words, err = l.attempt(ctx, f, address, count)
	}
	return words, err
}

func (l *link) attempt(ctx context.Context, f Function, address, count int) ([]uint16, error) {
	if err := l.connect(ctx); err != nil {
		return nil, err
	}
	client, kind := l.client, modbus.HOLDING_REGISTER
	if f == ReadInput {
		kind = modbus.INPUT_REGISTER
	}
	words, err := await(ctx, l, client, func() ([]uint16, error) {
		return client.ReadRegisters(uint16(address), uint16(count), kind)
	})
	if err != nil && qualityOf(err) != calms.BadRefused {
		return nil, l.fail(err)
	}
	l.proven, l.failures = true, 0
	return words, err
}

// connect makes sure that there is a client, unless a pause is running.
func (l *link) connect(ctx context.Context) error {
	if l.client != nil {
		return nil
	}
	if time.Now().Before(l.resume) {
		return l.parked
	}
	if err := l.awaitLeftover(ctx); err != nil {
		return err
	}
	client, err := modbus.NewClient(&modbus.ClientConfiguration{
		URL: "tcp://" + l.address, Timeout: l.timeout, Logger: log.New(io.Discard, "", 0),
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errConnect, err)
	}
	client.SetUnitId(l.unit)
	_, err = await(ctx, l, client, func() (struct{}, error) { return struct{}{}, client.Open() })
	if err != nil {
		return l.fail(fmt.Errorf("%w: %w", errConnect, err))
	}
	l.client, l.proven = client, false
	return nil
}

func (l *link) awaitLeftover(ctx context.Context) error {
	if l.leftover == nil {
		return nil
	}
	select {
	case <-l.leftover:
		l.leftover = nil
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: an earlier attempt still runs", errConnect)
	}
}

// await runs one call of the library until it ends or ctx does. In the second
// case the client belongs to the call left behind, which closes it.
func await[T any](ctx context.Context, l *link, client *modbus.ModbusClient, call func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	ended := make(chan answer, 1)
	go func() {
		value, err := call()
		ended <- answer{value, err}
	}()
	select {
	case a := <-ended:
		return a.value, a.err
	case <-ctx.Done():
		leftover := make(chan struct{})
		go func() {
			defer close(leftover)
			<-ended
			client.Close()
		}()
		l.client, l.leftover = nil, leftover
		var none T
		return none, ctx.Err()
	}
}

// fail closes the connection and pauses, longer after each failure, with jitter
// so that instruments behind one gateway are not tried in step.
func (l *link) fail(err error) error {
	l.close()
	pause := longPause
	if l.failures < 7 {
		pause = min(firstPause<<l.failures, longPause)
	}
	l.failures++
	l.resume = time.Now().Add(pause/2 + rand.N(pause/2))
	l.parked = err
	return err
}

func (l *link) close() {
	if l.client != nil {
		l.client.Close()
		l.client = nil
	}
}

// isLost reports that a connection was gone when it was used.
func isLost(err error) bool {
	return err != nil && qualityOf(err) == calms.BadNotConnected && !errors.Is(err, errConnect)
}
