// Package clock tells the edge's time: the monotonic clock of this boot, and
// what to add to it to get UTC.
//
// Samples are stamped with monotonic time. The offset to UTC that is in force
// never follows the wall clock by itself: it is the offset of an anchor
// ([wire.Anchor]) that goes into the journal before any sample stamped under it,
// so that the cloud, which places samples by the anchor with the smallest error,
// gets exactly the moments that the sampler aimed at. It changes when the wall
// clock is known materially better than before or was set, and it outlives the
// process: a restart within the same boot goes on with it.
//
// A wall clock below the floor (the program's build, or what an earlier run
// knew) is taken for unknown.
package clock
