// Package identity keeps what an edge is: its key and certificate, the
// registration that the cloud signed, where the cloud is and which keys batches
// are sealed to. All of it lies in one directory, mode 0700, each file written
// durably with mode 0600:
//
//	device.pem     private key (PKCS #8) and certificate chain, leaf first, as one
//	               file, so that no crash leaves a key without its certificate
//	next.pem       their successors, got from the cloud and not yet proved
//	enrolling.pem  the key of an enrolment whose answer has not come yet
//	cloud.json     registration, addresses, authorities and ingest keys
//
// The private keys are made here and never leave.
package identity
