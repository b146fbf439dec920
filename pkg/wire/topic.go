package wire

import (
	"fmt"
	"strconv"
	"strings"

	"go.calms.com/calms/pkg/calms"
)

// Streams below a device's "up" and "down" topics.
const (
	StreamHello   = "hello"   // up: [Hello], down: [Welcome]
	StreamEntries = "entries" // up: [Entries]
	StreamObjects = "objects" // up: [Objects]
	StreamGap     = "gap"     // up: [Gap]
	StreamCursor  = "cursor"  // down: [Cursor]
)

const topicPrefix = "calms/v1/"

// Topic is a parsed MQTT topic: calms/v1/<shard>/<device>/up|down/<stream>.
// The shard, fixed at provisioning, lets ingest workers divide the fleet.
type Topic struct {
	Shard  uint32
	Device calms.DeviceID
	Up     bool // from the device; else towards it
	Stream string
}

// UpTopic is where a device publishes a stream.
func UpTopic(shard uint32, device calms.DeviceID, stream string) string {
	return fmt.Sprintf("%s%d/%s/up/%s", topicPrefix, shard, device, stream)
}

// DownTopic is where a device reads a stream; stream may be "+".
func DownTopic(shard uint32, device calms.DeviceID, stream string) string {
	return fmt.Sprintf("%s%d/%s/down/%s", topicPrefix, shard, device, stream)
}

// ParseTopic is the inverse of [UpTopic] and [DownTopic]. It accepts canonical
// topics only, so that two texts never name one topic.
func ParseTopic(topic string) (Topic, error) {
	rest, ok := strings.CutPrefix(topic, topicPrefix)
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 4 {
		return Topic{}, badTopic(topic)
	}
	shard, err := strconv.ParseUint(parts[0], 10, 32)
	if err != nil || strconv.FormatUint(shard, 10) != parts[0] {
		return Topic{}, badTopic(topic)
	}
	device, err := calms.ParseDeviceID(parts[1])
	if err != nil {
		return Topic{}, badTopic(topic)
	}
	if (parts[2] != "up" && parts[2] != "down") || parts[3] == "" {
		return Topic{}, badTopic(topic)
	}
	return Topic{Shard: uint32(shard), Device: device, Up: parts[2] == "up", Stream: parts[3]}, nil
}

func badTopic(topic string) error {
	return calms.Errorf(calms.KindInvalid, "topic %.100q is not of the form %s<shard>/<device>/up|down/<stream>", topic, topicPrefix)
}
