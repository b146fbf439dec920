package replication

// Scenario is a schedule that tells a story of the page, for the model and for
// every real implementation.
type Scenario struct {
	Name     string
	Schedule Schedule
}

// met is an edge that said hello and was answered; carried is two entries
// stored and acknowledged.
const (
	met     = "deliver-up 0 0; deliver-down 0 0; "
	carried = met + "append 0; append 0; send 0; deliver-up 0 0; deliver-down 0 0; "
)

// Scenarios lists them, for a world of two edges, where a clone is edge 2: the crashes at every step between "sample taken" and
// "cursor handled" on both sides, then the stories.
func Scenarios() []Scenario {
	var all []Scenario
	for step := SampleTaken; step < Received; step++ {
		all = append(all, scenario("edge dies: "+step.String(), carried+"append 0; send 0; deliver-up 0 0; "+Op{Kind: CrashEdge, Step: step}.String()))
	}
	for step := Received; step < stepCount; step++ {
		all = append(all, scenario("cloud dies: "+step.String(), carried+"append 0; send 0; "+Op{Kind: CrashCloud, Step: step}.String()))
	}
	for _, s := range [][2]string{
		{"a restore replays what came after the snapshot", carried + "snapshot; append 0; send 0; deliver-up 0 0; deliver-down 0 0; restore 0"},
		{"the same snapshot is restored twice", carried + "snapshot; append 0; send 0; deliver-up 0 0; deliver-down 0 0; restore 0; tick; tick; deliver-up 0 0; deliver-down 0 0; send 0; restore 0"},
		{"a newer snapshot is restored after an older one", met + "snapshot; append 0; send 0; deliver-up 0 0; snapshot; restore 0; tick; tick; deliver-up 0 0; restore 1"},
		{"a cursor from before the restore arrives after it", met + "snapshot; append 0; send 0; deliver-up 0 0; restore 0; hello 0; deliver-up 0 0; deliver-down 0 1; deliver-down 0 0"},
		{"two lives of the cloud answer one hello", met + "append 0; append 0; snapshot; send 0; deliver-up 0 0; deliver-down 0 0; hello 0; repeat-up 0 0; deliver-up 0 0; restore 0; deliver-up 0 0; deliver-down 0 0; deliver-down 0 0; append 0"},
		{"the tail is lost before it was acknowledged", carried + "append 0; append 0; lose-tail 0 1; append 0"},
		{"the tail is lost after it was acknowledged", carried + "lose-tail 0 1; append 0"},
		{"the tail is lost while it is in flight", carried + "append 0; send 0; lose-tail 0 0; append 0"},
		{"the tail is lost, then the cloud is restored to before it", met + "snapshot; append 0; append 0; append 0; send 0; deliver-up 0 0; lose-tail 0 0; append 0; restore 0"},
		{"what was evicted is asked for after a restore", "snapshot; " + carried + "append 0; evict 0 1; restore 0"},
		{"what was evicted was never acknowledged", met + "append 0; append 0; append 0; evict 0 1"},
		{"entries arrive late, below their gap's end", met + "append 0; append 0; append 0; send 0; evict 0 2; hello 0; deliver-up 0 1; deliver-down 0 0; send 0; deliver-up 0 0; deliver-up 0 0"},
		{"a gap overtakes the entries before it", met + "append 0; append 0; append 0; damage 0 1 0; " + met + "send 0; send 0; deliver-up 0 1; deliver-up 0 0"},
		{"the middle of the journal is damaged", met + "append 0; append 0; append 0; damage 0 1 0; append 0"},
		{"the journal is wiped", carried + "append 0; wipe 0; append 0"},
		{"the journal is wiped twice before anybody hears of it", carried + "cut 0; append 0; wipe 0; append 0; wipe 0; append 0; connect 0"},
		{"a cloned disk goes on beside the first", carried + "clone 0; append 0; append 2; append 0; append 2"},
		{"a fork lies below a damaged range", met + "clone 0; append 2; append 2; deliver-up 2 0; deliver-down 2 0; send 2; deliver-up 2 0; append 0; append 0; append 0; append 0; append 0; damage 0 1 2"},
		{"a clone falls behind and catches up under one number", carried + "clone 0; append 0; send 0; deliver-up 0 0; append 2"},
		{"every key is rotated in the middle", carried + "append 0; rotate-ingest-key; append 0; rotate-certificate 0; append 0; restart-edge 0; append 0"},
		{"every key is rotated and the cloud restored to before", "snapshot; " + carried + "rotate-ingest-key; hello 0; deliver-up 0 0; deliver-down 0 0; rotate-certificate 0; append 0; restart-edge 0; append 0; restore 0"},
		{"a device enrolled after the snapshot comes back", "snapshot; enrol 1; append 1; deliver-up 1 0; deliver-down 1 0; send 1; deliver-up 1 0; restore 0"},
		{"a device revoked after the snapshot stays out", carried + "snapshot; append 0; revoke 0; restore 0; append 0"},
		{"a revoked device has entries in flight", carried + "append 0; send 0; revoke 0; deliver-up 0 0"},
		{"the broker re-attributes", carried + "enrol 1; deliver-up 1 0; deliver-down 1 0; append 0; send 0; misroute-up 0 0"},
		{"the link is cut with everything in flight", met + "append 0; append 0; append 0; send 0; cut 0; append 0; deliver-up 0 0; connect 0"},
	} {
		all = append(all, scenario(s[0], s[1]))
	}
	return all
}

func scenario(name, text string) Scenario {
	s, err := ParseSchedule(text)
	if err != nil {
		panic(err) // the texts are constants
	}
	return Scenario{name, s}
}
