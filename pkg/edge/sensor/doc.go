// Package sensor reads instruments at the right moments. It holds the contract
// that every protocol implements ([Driver]; one folder per protocol below this
// one, one conformance suite in sensortest) and the [Sampler], which asks each
// instrument at the multiples of its interval and hands the samples over in
// groups, ready to become batches.
//
// What goes wrong with an instrument is never an error of the sampler: it is a
// sample too, with a bad quality that says why.
package sensor
