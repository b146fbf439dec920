// Package certs makes and checks keys and X.509 certificates (RFC 5280), and
// renews them while they are in use. It composes the standard library's
// primitives and adds the project's rules: which keys are accepted, what a
// device certificate looks like, how long before now a certificate begins.
//
// A private key is made where it is used; what travels is a request (PKCS #10,
// RFC 2986) whose signature proves the possession of the key.
package certs
