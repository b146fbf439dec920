// Package crash names the points of the route at which the crash tests kill the
// process. In an ordinary build [At] does nothing; a build with the tag
// crashpoints reads CALMS_CRASH_AT ("journal.committed" or, for the third
// passage, "journal.committed:3") and ends itself there with SIGKILL.
package crash
